-- Findings of the linker. One row: one enterprise whose registry names a parcel that is not held,
-- or that nothing places.
WITH enterprise AS (
  SELECT e.enterprise_code, e.parcel_code, e.status
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  WHERE e.to_run IS NULL AND e.status = 'operating'
)
SELECT
  'link_enterprises' AS step,
  'link.registry_parcel_unknown' AS rule,
  'warning' AS severity,
  'enterprise' AS feed,
  e.enterprise_code AS subject_key,
  '' AS detail_key,
  'parcel_code' AS field,
  e.parcel_code AS value,
  jsonb_build_object('enterprise', e.enterprise_code, 'parcel', e.parcel_code) AS params
FROM enterprise AS e
WHERE e.parcel_code IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = e.parcel_code AND p.to_run IS NULL)
  AND NOT EXISTS (SELECT 1 FROM derived.parcel_successor AS s WHERE s.parcel_code = e.parcel_code)
UNION ALL
SELECT
  'link_enterprises',
  CASE WHEN bool_or(s.follow = 'followed') THEN 'link.registry_parcel_followed' ELSE 'link.registry_parcel_unclear' END,
  CASE WHEN bool_or(s.follow = 'followed') THEN 'notice' ELSE 'warning' END,
  'enterprise', e.enterprise_code, '', 'parcel_code', e.parcel_code,
  jsonb_build_object(
    'enterprise', e.enterprise_code, 'parcel', e.parcel_code,
    'successors', string_agg(s.successor_code, ', ' ORDER BY s.follow, s.share DESC, s.successor_code)
      FILTER (WHERE s.follow <> 'rest')
  )
FROM enterprise AS e
JOIN derived.parcel_successor AS s ON s.parcel_code = e.parcel_code
GROUP BY e.enterprise_code, e.parcel_code
UNION ALL
SELECT
  'link_enterprises', 'link.no_evidence', 'notice', 'enterprise', e.enterprise_code, '', NULL, NULL,
  jsonb_build_object('enterprise', e.enterprise_code)
FROM enterprise AS e
JOIN derived.seat AS t ON t.enterprise_code = e.enterprise_code AND t.seat_state = 'unknown'
