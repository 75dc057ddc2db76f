-- Findings of the overlay. One row: one parcel that lies over no survey patch, or whose registered
-- area differs from its drawing by more than 1 m2 and 0.1 % (docs/sources.md, 3.3); or one parcel code that
-- rights or leases name though it is retired or unknown, and what became of them; or one code that was
-- retired and came back on other land (docs/sources.md, 4.2: an old number is never used again).
WITH args AS (
  SELECT CAST(:lineage_min_share AS numeric) AS min_share
),
scope AS (
  SELECT s.key AS parcel_code FROM ops.scope AS s WHERE s.step = 'overlay_land' AND s.kind = 'parcel'
),
-- Codes that no parcel in force has.
gone AS (
  SELECT s.parcel_code
  FROM scope AS s
  WHERE NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = s.parcel_code AND p.to_run IS NULL)
),
naming AS (
  SELECT v.parcel_code, v.feed, v.outcome, v.record_key, v.successor_codes
  FROM gone AS g
  JOIN derived.retired_evidence AS v ON v.parcel_code = g.parcel_code AND v.feed IN ('right', 'lease')
  UNION ALL
  SELECT g.parcel_code, n.feed, 'unknown', n.record_key, NULL
  FROM gone AS g
  JOIN (
    SELECT 'right' AS feed, r.parcel_code, r.record_key
    FROM core."right" AS r
    WHERE r.to_run IS NULL AND r.right_state = 'current'
    UNION ALL
    SELECT 'lease', l.parcel_code, l.record_key
    FROM core.lease AS l
    WHERE l.to_run IS NULL
  ) AS n ON n.parcel_code = g.parcel_code
  WHERE NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = g.parcel_code)
),
-- Parcels in force whose code had gone before.
returned AS (
  SELECT p.parcel_code, p.geom, p.plane_area_m2, o.geom AS old_geom, o.to_run AS gone_run
  FROM scope AS s
  JOIN core.parcel AS p ON p.parcel_code = s.parcel_code AND p.to_run IS NULL
  JOIN LATERAL (
    SELECT v.geom, v.to_run
    FROM core.parcel AS v
    WHERE v.parcel_code = s.parcel_code AND v.to_run IS NOT NULL
      -- nothing was opened when it was closed
      AND NOT EXISTS (
        SELECT 1 FROM core.parcel AS n WHERE n.parcel_code = s.parcel_code AND n.from_run = v.to_run)
    ORDER BY v.to_run DESC
    LIMIT 1
  ) AS o ON true
),
parcel AS (
  SELECT p.parcel_code, p.official_area_m2, p.plane_area_m2
  FROM core.parcel AS p
  JOIN scope AS s ON s.parcel_code = p.parcel_code
  WHERE p.to_run IS NULL
)
SELECT
  'overlay_land' AS step,
  'parcel.no_patch' AS rule,
  'warning' AS severity,
  'parcel' AS feed,
  p.parcel_code AS subject_key,
  '' AS detail_key,
  CAST(jsonb_build_object('parcel', p.parcel_code) AS jsonb) AS params,
  p.plane_area_m2 AS size_m2
FROM parcel AS p
JOIN derived.parcel_township AS t ON t.parcel_code = p.parcel_code
WHERE t.township_code = ''
UNION ALL
SELECT
  'overlay_land',
  'parcel.area_differs',
  CASE WHEN abs(p.official_area_m2 - p.plane_area_m2) > 0.05 * p.plane_area_m2 THEN 'error' ELSE 'warning' END,
  'parcel',
  p.parcel_code,
  '',
  jsonb_build_object(
    'parcel', p.parcel_code, 'official', round(p.official_area_m2, 2), 'drawn', round(p.plane_area_m2, 2)
  ),
  round(abs(p.official_area_m2 - p.plane_area_m2), 4)
FROM parcel AS p
WHERE abs(p.official_area_m2 - p.plane_area_m2) > greatest(1, 0.001 * p.plane_area_m2)
UNION ALL
SELECT
  'overlay_land',
  'lineage.' || n.outcome,
  CASE WHEN n.outcome = 'followed' THEN 'notice' ELSE 'warning' END,
  n.feed,
  n.parcel_code,
  n.feed,
  jsonb_build_object(
    'parcel', n.parcel_code, 'count', count(*), 'successors', coalesce(min(n.successor_codes), ''),
    'first', min(n.record_key)
  ),
  NULL
FROM naming AS n
GROUP BY n.parcel_code, n.feed, n.outcome
UNION ALL
SELECT
  'overlay_land',
  'parcel.code_reused',
  'error',
  'parcel',
  r.parcel_code,
  '',
  jsonb_build_object('parcel', r.parcel_code, 'run', r.gone_run),
  r.plane_area_m2
FROM args
JOIN returned AS r
  ON coalesce(CAST(ST_Area(ST_Intersection(r.old_geom, r.geom)) AS numeric) / nullif(r.plane_area_m2, 0), 0)
    < args.min_share
