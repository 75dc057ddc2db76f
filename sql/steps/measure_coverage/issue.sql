-- Industrial patches whose official area differs from the survey area of their drawing by more than
-- 1 m2 and 0.1 % (docs/sources.md, 3.3). One row: one patch.
WITH args AS (
  SELECT CAST(:base_codes AS text[]) AS base_codes, CAST(:vintage AS integer) AS vintage
)
SELECT
  'measure_coverage' AS step,
  'patch.area_differs' AS rule,
  CASE WHEN abs(t.official_area_m2 - t.ellipsoid_area_m2) > 0.05 * t.ellipsoid_area_m2 THEN 'error' ELSE 'warning' END
    AS severity,
  'patch' AS feed,
  t.patch_code AS subject_key,
  '' AS detail_key,
  jsonb_build_object(
    'patch', t.patch_code, 'official', round(t.official_area_m2, 2), 'drawn', round(t.ellipsoid_area_m2, 2)
  ) AS params,
  round(abs(t.official_area_m2 - t.ellipsoid_area_m2), 4) AS size_m2
FROM args
JOIN core.patch AS t
  ON t.to_run IS NULL AND t.vintage = args.vintage AND t.land_use_code = ANY (args.base_codes)
JOIN ops.scope AS s
  ON s.step = 'measure_coverage' AND s.kind = 'patch' AND s.key = t.patch_code
WHERE abs(t.official_area_m2 - t.ellipsoid_area_m2) > greatest(1, 0.001 * t.ellipsoid_area_m2)
