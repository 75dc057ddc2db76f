-- Corrections that do not apply. One row: one correction whose record is gone or whose delivered
-- value is not the expected one (stale), or that has ended.
WITH args AS (
  SELECT CAST(:as_of AS date) AS as_of
)
SELECT
  'reconcile_records' AS step,
  CASE
    WHEN c.valid_until <= args.as_of THEN 'correction.ended'
    ELSE 'correction.stale'
  END AS rule,
  'warning' AS severity,
  c.feed,
  c.key AS subject_key,
  CAST(c.correction_id AS text) AS detail_key,
  c.field,
  c.new_value AS value,
  jsonb_build_object('field', c.field, 'expected', c.expected_value, 'author', c.author) AS params
FROM args
CROSS JOIN core.correction AS c
JOIN ops.scope AS s ON s.step = 'reconcile_records' AND s.kind = 'issue_subject' AND s.key = c.key
WHERE NOT EXISTS (
  SELECT 1
  FROM core.applied_correction AS a
  WHERE a.correction_id = c.correction_id
)
