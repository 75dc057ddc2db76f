-- Findings of the linker. One row: one enterprise and what its evidence does not add up to.
WITH RECURSIVE args AS (
  SELECT CAST(:as_of AS date) AS as_of, CAST(:point_far_m AS double precision) AS point_far
),
enterprise AS (
  SELECT e.enterprise_code, e.credit_code, e.parcel_code, e.certificate_no, e.certificate_key, e.geom
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  WHERE e.to_run IS NULL AND e.status = 'operating'
),
named AS (
  SELECT e.enterprise_code, n.parcel_code
  FROM enterprise AS e
  JOIN core.registry_parcel AS n ON n.enterprise_code = e.enterprise_code
),
-- Names under which the register knows the code of an enterprise, and that it neither bears nor bore.
other_name AS (
  SELECT e.enterprise_code, e.credit_code, r.parcel_code, r.holder_name AS name
  FROM enterprise AS e
  JOIN core."right" AS r ON r.to_run IS NULL AND r.right_state = 'current' AND r.holder_code = e.credit_code
  WHERE NOT EXISTS (
    SELECT 1 FROM derived.enterprise_name AS n
    WHERE n.enterprise_code = e.enterprise_code AND n.name_key = r.holder_name_key)
  UNION
  SELECT e.enterprise_code, e.credit_code, l.parcel_code, l.lessee_name
  FROM enterprise AS e
  JOIN core.lease AS l ON l.to_run IS NULL AND l.lessee_code = e.credit_code
  WHERE NOT EXISTS (
    SELECT 1 FROM derived.enterprise_name AS n
    WHERE n.enterprise_code = e.enterprise_code AND n.name_key = l.lessee_name_key)
),
-- Leases of which the lessee lets on the same parcel.
lease AS (
  SELECT l.parcel_code, l.lease_no, l.lessor_code, l.lessee_code
  FROM args
  JOIN core.lease AS l ON l.to_run IS NULL AND (l.valid_from IS NULL OR l.valid_from <= args.as_of)
    AND (l.valid_to IS NULL OR args.as_of < l.valid_to)
  WHERE l.lessor_code IS NOT NULL AND l.lessee_code IS NOT NULL
),
onward AS (
  SELECT DISTINCT l.parcel_code, l.lease_no, l.lessor_code, l.lessee_code
  FROM lease AS l
  JOIN lease AS n ON n.parcel_code = l.parcel_code AND n.lessor_code = l.lessee_code
),
-- Who lets to whom in the end; each pair once, however many ways there are.
reach AS (
  SELECT l.parcel_code, l.lessor_code AS first_code, l.lessee_code AS last_code
  FROM onward AS l
  UNION
  SELECT r.parcel_code, r.first_code, l.lessee_code
  FROM reach AS r
  JOIN onward AS l ON l.parcel_code = r.parcel_code AND l.lessor_code = r.last_code
)
SELECT
  'link_enterprises' AS step,
  'link.registry_parcel_unknown' AS rule,
  'warning' AS severity,
  'enterprise' AS feed,
  n.enterprise_code AS subject_key,
  n.parcel_code AS detail_key,
  'parcel_code' AS field,
  n.parcel_code AS value,
  jsonb_build_object('enterprise', n.enterprise_code, 'parcel', n.parcel_code) AS params
FROM named AS n
WHERE NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = n.parcel_code AND p.to_run IS NULL)
  AND NOT EXISTS (SELECT 1 FROM derived.parcel_successor AS s WHERE s.parcel_code = n.parcel_code)
UNION ALL
SELECT
  'link_enterprises',
  CASE WHEN bool_or(s.follow = 'followed') THEN 'link.registry_parcel_followed' ELSE 'link.registry_parcel_unclear' END,
  CASE WHEN bool_or(s.follow = 'followed') THEN 'notice' ELSE 'warning' END,
  'enterprise', n.enterprise_code, n.parcel_code, 'parcel_code', n.parcel_code,
  jsonb_build_object(
    'enterprise', n.enterprise_code, 'parcel', n.parcel_code,
    'successors', string_agg(s.successor_code, ', ' ORDER BY s.follow, s.share DESC, s.successor_code)
      FILTER (WHERE s.follow <> 'rest')
  )
FROM named AS n
JOIN derived.parcel_successor AS s ON s.parcel_code = n.parcel_code
GROUP BY n.enterprise_code, n.parcel_code
UNION ALL
SELECT
  'link_enterprises', 'link.certificate_unknown', 'notice', 'enterprise', e.enterprise_code, '', 'certificate_no',
  e.certificate_no, jsonb_build_object('enterprise', e.enterprise_code, 'certificate', e.certificate_no)
FROM enterprise AS e
WHERE e.certificate_key IS NOT NULL
  -- a county that delivers no rights has no certificates to compare with
  AND EXISTS (SELECT 1 FROM core."right" AS r WHERE r.to_run IS NULL)
  AND NOT EXISTS (
    SELECT 1 FROM core."right" AS r
    WHERE r.to_run IS NULL AND r.right_state = 'current' AND r.certificate_key = e.certificate_key)
UNION ALL
SELECT
  'link_enterprises', 'link.one_code_two_names', 'notice', 'enterprise', o.enterprise_code, '', 'credit_code',
  o.credit_code,
  jsonb_build_object(
    'code', o.credit_code,
    'parcels', string_agg(DISTINCT o.parcel_code, ', ' ORDER BY o.parcel_code),
    'names', string_agg(DISTINCT o.name, ', ' ORDER BY o.name)
  )
FROM other_name AS o
GROUP BY o.enterprise_code, o.credit_code
UNION ALL
SELECT
  'link_enterprises', 'link.lease_cycle', 'warning', 'lease', e.enterprise_code, c.parcel_code, NULL, NULL,
  jsonb_build_object('parcel', c.parcel_code, 'leases', string_agg(DISTINCT l.lease_no, ', ' ORDER BY l.lease_no))
FROM reach AS c
JOIN enterprise AS e ON e.credit_code = c.first_code
JOIN lease AS l ON l.parcel_code = c.parcel_code AND e.credit_code IN (l.lessor_code, l.lessee_code)
WHERE c.last_code = c.first_code
GROUP BY e.enterprise_code, c.parcel_code
UNION ALL
SELECT
  'link_enterprises', 'link.point_nowhere', 'warning', 'enterprise', e.enterprise_code, '', 'geom', NULL,
  jsonb_build_object('enterprise', e.enterprise_code, 'distance', args.point_far)
FROM args
CROSS JOIN enterprise AS e
WHERE e.geom IS NOT NULL
  -- where the shapes of the townships are known
  AND EXISTS (
    SELECT 1 FROM core.area AS a WHERE a.to_run IS NULL AND a.kind = 'township' AND a.geom IS NOT NULL)
  AND NOT EXISTS (
    SELECT 1
    FROM core.area AS a
    WHERE a.to_run IS NULL AND a.kind = 'township' AND ST_DWithin(a.geom, e.geom, args.point_far))
UNION ALL
SELECT
  'link_enterprises', 'link.no_identifier', 'notice', 'enterprise', e.enterprise_code, '', 'credit_code', NULL,
  jsonb_build_object('enterprise', e.enterprise_code)
FROM enterprise AS e
WHERE e.credit_code IS NULL AND e.parcel_code IS NULL AND e.certificate_key IS NULL
UNION ALL
SELECT
  'link_enterprises', 'link.no_evidence', 'notice', 'enterprise', e.enterprise_code, '', NULL, NULL,
  jsonb_build_object('enterprise', e.enterprise_code, 'missing', to_jsonb(t.missing))
FROM enterprise AS e
JOIN derived.seat AS t ON t.enterprise_code = e.enterprise_code AND t.seat_state = 'unknown'
