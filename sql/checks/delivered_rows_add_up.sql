-- Invariant 1: every delivered row is kept, unchanged or quarantined, and the three sum to the file.
-- One row: one delivery whose counts do not add up.
SELECT d.delivery_id, d.file, d.row_count, count(r.row_number) AS listed
FROM ops.delivery AS d
LEFT JOIN ops.delivered AS r ON r.delivery_id = d.delivery_id
WHERE d.state <> 'refused'
GROUP BY d.delivery_id
HAVING d.row_count <> d.kept_count + d.unchanged_count + d.quarantined_count
  OR d.row_count <> count(r.row_number)
  OR d.kept_count <> count(*) FILTER (WHERE r.outcome = 'kept')
  OR d.quarantined_count <> count(*) FILTER (WHERE r.outcome = 'quarantined')
ORDER BY d.delivery_id
