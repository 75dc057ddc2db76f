-- Township and assessment unit of each parcel. Township: where most of its industrial land lies,
-- else that of the patch under its inner point (never from the parcel code, docs/sources.md, 0.2).
-- Assessment unit: the development zone over its inner point, else the township.
-- One row: one parcel; township '' when no patch lies under it.
WITH args AS (
  SELECT
    CAST(:vintage AS integer) AS vintage,
    CAST(:industrial_codes AS text[]) AS industrial_codes,
    CAST(:sliver_m2 AS numeric) AS sliver_m2,
    CAST(:sliver_share AS numeric) AS sliver_share
),
parcel AS (
  SELECT p.parcel_code, p.land_use_code, p.plane_area_m2, ST_PointOnSurface(p.geom) AS inner_point
  FROM core.parcel AS p
  JOIN ops.scope AS s
    ON s.step = 'overlay_land' AND s.kind = 'parcel' AND s.key = p.parcel_code
  WHERE p.to_run IS NULL
),
industrial AS (
  SELECT pp.parcel_code, t.township_code, sum(pp.area_m2) AS area_m2
  FROM args
  CROSS JOIN parcel AS p
  JOIN derived.parcel_patch AS pp ON pp.parcel_code = p.parcel_code
  JOIN core.patch AS t
    ON t.patch_code = pp.patch_code AND t.to_run IS NULL AND t.vintage = args.vintage
  GROUP BY pp.parcel_code, t.township_code
),
main AS (
  SELECT DISTINCT ON (i.parcel_code)
    i.parcel_code,
    i.township_code,
    sum(i.area_m2) OVER (PARTITION BY i.parcel_code) AS area_m2
  FROM industrial AS i
  ORDER BY i.parcel_code, i.area_m2 DESC, i.township_code
),
placed AS (
  SELECT
    p.parcel_code,
    p.inner_point,
    coalesce(m.township_code, below.township_code, '') AS township_code,
    coalesce(m.area_m2, 0) AS patch_area_m2,
    coalesce(p.land_use_code = ANY (args.industrial_codes), false)
      OR coalesce(m.area_m2, 0) >= args.sliver_m2
      OR (coalesce(m.area_m2, 0) > 0 AND m.area_m2 >= args.sliver_share * p.plane_area_m2)
      AS is_industrial
  FROM args
  CROSS JOIN parcel AS p
  LEFT JOIN main AS m ON m.parcel_code = p.parcel_code
  LEFT JOIN LATERAL (
    SELECT t.township_code
    FROM core.patch AS t
    WHERE m.parcel_code IS NULL AND t.to_run IS NULL AND t.vintage = args.vintage
      AND ST_Intersects(t.geom, p.inner_point)
    ORDER BY t.patch_code
    LIMIT 1
  ) AS below ON true
)
SELECT
  p.parcel_code,
  p.township_code,
  coalesce(zone.area_code, p.township_code) AS area_code,
  p.is_industrial,
  p.patch_area_m2
FROM placed AS p
LEFT JOIN LATERAL (
  SELECT a.area_code
  FROM core.area AS a
  WHERE a.to_run IS NULL AND a.kind = 'zone' AND ST_Intersects(a.geom, p.inner_point)
  ORDER BY a.area_code
  LIMIT 1
) AS zone ON true
