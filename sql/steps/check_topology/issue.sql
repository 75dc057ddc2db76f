-- Overlaps, gaps, duplicates and footprints across parcels; slivers are only added up (docs/sources.md, 7).
-- One row: one finding, or the slivers of one kind in one township, with those between parcels and survey
-- patches. Written whole.
WITH args AS (
  SELECT
    CAST(:vintage AS integer) AS vintage,
    CAST(:topology_sliver_m2 AS numeric) AS sliver_m2,
    CAST(:topology_sliver_share AS numeric) AS sliver_share
),
sliver AS (
  SELECT t.rule, t.feed, coalesce(h.township_code, p.township_code, '') AS township_code, t.size_m2
  FROM args
  CROSS JOIN derived.topology AS t
  LEFT JOIN core.patch AS h
    ON t.feed = 'patch' AND h.patch_code = t.subject_key AND h.vintage = args.vintage AND h.to_run IS NULL
  LEFT JOIN derived.parcel_township AS p
    ON p.parcel_code = CASE t.feed WHEN 'parcel' THEN t.subject_key WHEN 'footprint' THEN t.detail_key END
  WHERE t.is_sliver
  UNION ALL
  SELECT 'parcel.patch', 'parcel', t.township_code, x.area_m2
  FROM args
  CROSS JOIN derived.parcel_patch AS x
  JOIN core.parcel AS p ON p.parcel_code = x.parcel_code AND p.to_run IS NULL
  JOIN core.patch AS t ON t.patch_code = x.patch_code AND t.vintage = args.vintage AND t.to_run IS NULL
  WHERE x.area_m2 < args.sliver_m2
    AND x.area_m2 < args.sliver_share * least(p.plane_area_m2, t.ellipsoid_area_m2)
)
SELECT
  'check_topology' AS step,
  t.rule,
  CASE
    WHEN t.rule IN ('patch.duplicate', 'parcel.duplicate') THEN 'error'
    -- one enterprise may well use the land of several parcels
    WHEN t.is_land THEN 'notice'
    ELSE 'warning'
  END AS severity,
  t.feed,
  t.subject_key,
  t.detail_key,
  jsonb_build_object(
    'subject', t.subject_key, 'other', t.detail_key, 'main', coalesce(t.main_code, ''),
    'area', round(t.size_m2, 2)
  ) AS params,
  t.size_m2
FROM (
  SELECT t.*, coalesce(f.kind = 'land', false) AS is_land
  FROM derived.topology AS t
  LEFT JOIN core.footprint AS f ON t.feed = 'footprint' AND f.footprint_code = t.subject_key AND f.to_run IS NULL
) AS t
WHERE NOT t.is_sliver
UNION ALL
SELECT
  'check_topology',
  'sliver.' || replace(s.rule, '.', '_'),
  'notice',
  s.feed,
  s.township_code,
  '',
  jsonb_build_object('township', s.township_code, 'count', count(*), 'area', round(sum(s.size_m2), 2)),
  sum(s.size_m2)
FROM sliver AS s
GROUP BY s.rule, s.feed, s.township_code
