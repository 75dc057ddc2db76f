-- Invariant 1: every delivered row is kept, unchanged or quarantined, and the three sum to the file; what a
-- yearly package carries over from the year before is counted apart.
-- A run looks at the deliveries that it consumes, a full run and diqi check at all.
-- One row: one delivery whose counts do not add up, or rows without their delivery.
WITH args AS (
  SELECT CAST(:is_full AS boolean) AS is_full, CAST(:run_id AS integer) AS run_id
)
SELECT d.delivery_id, d.file, d.row_count, count(r.row_number) AS listed
FROM args
CROSS JOIN ops.delivery AS d
LEFT JOIN ops.delivered AS r ON r.delivery_id = d.delivery_id
WHERE d.state <> 'refused' AND (args.is_full OR d.consumed_run IS NULL OR d.consumed_run = args.run_id)
GROUP BY d.delivery_id
HAVING d.row_count <> d.kept_count + d.unchanged_count + d.quarantined_count
  OR d.row_count <> count(r.row_number) FILTER (WHERE r.outcome <> 'carried')
  OR d.carried_count <> count(*) FILTER (WHERE r.outcome = 'carried')
  OR d.kept_count <> count(*) FILTER (WHERE r.outcome = 'kept')
  OR d.quarantined_count <> count(*) FILTER (WHERE r.outcome = 'quarantined')
UNION ALL
SELECT r.delivery_id, NULL, NULL, count(*)
FROM args
JOIN ops.delivered AS r ON args.is_full
WHERE NOT EXISTS (SELECT 1 FROM ops.delivery AS d WHERE d.delivery_id = r.delivery_id)
GROUP BY r.delivery_id
ORDER BY delivery_id
