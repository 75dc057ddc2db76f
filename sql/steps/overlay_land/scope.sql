-- Parcels that changed, and parcels over patches or areas that changed, before or after.
WITH dirty_parcel AS (
  SELECT d.key FROM ops.dirty AS d WHERE d.kind = 'parcel'
),
-- A first or full run has every parcel already; only the others need a look at the map.
clean_parcel AS MATERIALIZED (
  SELECT p.parcel_code, p.geom
  FROM core.parcel AS p
  WHERE p.to_run IS NULL
    AND NOT EXISTS (SELECT 1 FROM dirty_parcel AS d WHERE d.key = p.parcel_code)
    AND EXISTS (SELECT 1 FROM ops.dirty AS d WHERE d.kind IN ('patch', 'area'))
)
SELECT 'parcel' AS kind, d.key
FROM dirty_parcel AS d
UNION
SELECT 'parcel', p.parcel_code
FROM ops.dirty AS d
JOIN core.patch AS t ON t.patch_code = d.key
JOIN clean_parcel AS p ON ST_Intersects(t.geom, p.geom)
WHERE d.kind = 'patch'
UNION
SELECT 'parcel', p.parcel_code
FROM ops.dirty AS d
JOIN core.area AS a ON a.area_code = d.key
JOIN clean_parcel AS p ON ST_Intersects(a.geom, p.geom)
WHERE d.kind = 'area'
UNION
SELECT 'parcel', p.parcel_code
FROM ops.dirty AS d
JOIN derived.parcel_patch AS p ON p.patch_code = d.key
WHERE d.kind = 'patch'
