-- The pieces of industrial survey patches under each parcel.
-- One row: one patch of the industrial base and one parcel that share land; area on the ellipsoid.
-- Source: docs/sources.md, Design 2; area rule docs/sources.md, 3.3.
WITH args AS (
  SELECT
    CAST(:area_srid AS integer) AS area_srid,
    CAST(:base_codes AS text[]) AS base_codes,
    CAST(:vintage AS integer) AS vintage
),
piece AS (
  SELECT
    p.parcel_code,
    t.patch_code,
    ST_Multi(ST_CollectionExtract(ST_Intersection(t.geom, p.geom), 3)) AS geom
  FROM args
  JOIN core.patch AS t
    ON t.to_run IS NULL AND t.vintage = args.vintage AND t.land_use_code = ANY (args.base_codes)
  JOIN core.parcel AS p ON p.to_run IS NULL AND ST_Intersects(t.geom, p.geom)
  WHERE p.parcel_code IN (
    SELECT s.key FROM ops.scope AS s WHERE s.step = 'overlay_land' AND s.kind = 'parcel'
  )
),
measured AS (
  SELECT
    p.parcel_code,
    p.patch_code,
    round(CAST(ST_Area(ST_Transform(p.geom, args.area_srid)) AS numeric), 4) AS area_m2,
    p.geom
  FROM args
  CROSS JOIN piece AS p
)
SELECT m.parcel_code, m.patch_code, m.area_m2, m.geom
FROM measured AS m
WHERE m.area_m2 > 0
