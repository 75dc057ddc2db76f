-- The pieces of industrial survey patches under each parcel.
-- One row: one patch of the industrial base and one parcel that share land; area on the ellipsoid.
-- Source: docs/sources.md, Design 2; area rule docs/sources.md, 3.3.
WITH args AS (
  SELECT
    CAST(:area_srid AS integer) AS area_srid,
    CAST(:base_codes AS text[]) AS base_codes,
    CAST(:vintage AS integer) AS vintage
),
-- Materialized: the intersection is used three times below. args is read once: a plan that reads it
-- twice is not parallel.
piece AS MATERIALIZED (
  SELECT
    p.parcel_code,
    t.patch_code,
    args.area_srid,
    ST_Multi(ST_CollectionExtract(ST_Intersection(t.geom, p.geom), 3)) AS geom
  FROM args
  JOIN core.patch AS t
    ON t.to_run IS NULL AND t.vintage = args.vintage AND t.land_use_code = ANY (args.base_codes)
  JOIN core.parcel AS p ON p.to_run IS NULL AND ST_Intersects(t.geom, p.geom)
  WHERE p.parcel_code IN (
    SELECT s.key FROM ops.scope AS s WHERE s.step = 'overlay_land' AND s.kind = 'parcel'
  )
),
measured AS MATERIALIZED (
  SELECT
    p.parcel_code,
    p.patch_code,
    round(CAST(ST_Area(ST_Transform(p.geom, p.area_srid)) AS numeric), 4) AS area_m2,
    p.geom
  FROM piece AS p
)
SELECT m.parcel_code, m.patch_code, m.area_m2, m.geom
FROM measured AS m
WHERE m.area_m2 > 0
