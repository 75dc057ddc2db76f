-- Corrections that do not apply. One row: one correction whose record is gone or whose delivered
-- value is not the expected one (stale), that has ended, that cannot be one (unusable), or that its office
-- refused though it applies.
WITH args AS (
  SELECT CAST(:as_of AS date) AS as_of
),
correction AS (
  SELECT
    c.correction_id, c.feed, c.key, c.field, c.expected_value, c.new_value, c.author, c.valid_until,
    (SELECT count(*) FROM core.applied_correction AS a WHERE a.correction_id = c.correction_id) > 0 AS is_applied,
    r.reason AS obstacle
  FROM core.known_correction AS c
  JOIN ops.scope AS s ON s.step = 'reconcile_records' AND s.kind = 'issue_subject' AND s.key = c.key
  LEFT JOIN ops.refused_correction AS r ON r.correction_id = c.correction_id
)
SELECT
  'reconcile_records' AS step,
  CASE
    WHEN c.obstacle IS NOT NULL THEN 'correction.unusable'
    WHEN c.valid_until <= args.as_of THEN 'correction.ended'
    ELSE 'correction.stale'
  END AS rule,
  'warning' AS severity,
  c.feed,
  c.key AS subject_key,
  CAST(c.correction_id AS text) AS detail_key,
  c.field,
  c.new_value AS value,
  jsonb_build_object(
    'field', c.field, 'expected', c.expected_value, 'author', c.author, 'reason', coalesce(c.obstacle, ''),
    'found', coalesce(core.delivered_value(c.feed, c.key, c.field), '')
  ) AS params
FROM args
CROSS JOIN correction AS c
WHERE NOT c.is_applied
UNION ALL
SELECT
  'reconcile_records',
  'correction.refused',
  'warning',
  c.feed,
  c.key,
  CAST(c.correction_id AS text),
  c.field,
  c.new_value,
  jsonb_build_object('field', c.field, 'office_author', a.author, 'reason', a.reason)
FROM correction AS c
JOIN core.current_answer AS a ON a.correction_id = c.correction_id AND a.answer = 'refused'
WHERE c.is_applied
