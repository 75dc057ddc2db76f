-- Findings of the overlay. One row: one parcel that lies over no survey patch, or whose registered
-- area differs from its drawing by more than 1 m2 and 0.1 % (docs/sources.md, 3.3).
WITH parcel AS (
  SELECT p.parcel_code, p.official_area_m2, p.plane_area_m2
  FROM core.parcel AS p
  JOIN ops.scope AS s
    ON s.step = 'overlay_land' AND s.kind = 'parcel' AND s.key = p.parcel_code
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
