-- What was wrong with the rows of some deliveries, in the order of their files. One row: one issue.
WITH args AS (
  SELECT CAST(:deliveries AS integer[]) AS deliveries
)
SELECT i.delivery_id, i.row_number, i.field, i.value, i.rule, i.severity, i.params, i.subject_key
FROM args
JOIN ops.delivery AS d ON d.delivery_id = ANY (args.deliveries)
JOIN ops.issue AS i ON i.delivery_id = d.delivery_id
-- What is only told of a whole layer asks nothing of its office.
WHERE i.row_number IS NOT NULL OR i.severity <> 'notice'
ORDER BY
  d.file, d.data_date, d.layer, d.content_hash, i.row_number NULLS FIRST, i.field, i.rule, i.value, i.subject_key, i.issue_id
