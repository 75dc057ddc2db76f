-- Parcels that changed, and parcels over patches or areas that changed, before or after; retired parcels
-- of which the land lies where parcels changed.
WITH RECURSIVE dirty_parcel AS (
  SELECT d.key FROM ops.dirty AS d WHERE d.kind = 'parcel'
),
-- A first or full run has every parcel already; only the others need a look at the map.
clean_parcel AS MATERIALIZED (
  SELECT p.parcel_code, p.geom
  FROM core.parcel AS p
  WHERE p.to_run IS NULL
    AND NOT EXISTS (SELECT 1 FROM dirty_parcel AS d WHERE d.key = p.parcel_code)
    AND EXISTS (SELECT 1 FROM ops.dirty AS d WHERE d.kind IN ('patch', 'area'))
),
-- From what changed back to all that it came from.
touched AS (
  SELECT n.old_parcel_code AS parcel_code, n.run_id
  FROM dirty_parcel AS d
  JOIN core.parcel_lineage AS n ON n.old_parcel_code = d.key
  UNION
  SELECT n.old_parcel_code, n.run_id
  FROM dirty_parcel AS d
  JOIN core.parcel_lineage AS n ON n.new_parcel_code = d.key
),
former AS (
  SELECT t.parcel_code, t.run_id
  FROM touched AS t
  UNION
  SELECT n.old_parcel_code, n.run_id
  FROM former AS f
  JOIN core.parcel_lineage AS n ON n.new_parcel_code = f.parcel_code AND n.run_id < f.run_id
)
SELECT 'parcel' AS kind, d.key
FROM dirty_parcel AS d
UNION
SELECT k.kind, f.parcel_code
FROM former AS f
CROSS JOIN (VALUES ('retired'), ('parcel')) AS k (kind)
UNION
SELECT 'retired', s.parcel_code
FROM dirty_parcel AS d
JOIN derived.parcel_successor AS s ON s.parcel_code = d.key
UNION
SELECT 'retired', s.parcel_code
FROM dirty_parcel AS d
JOIN derived.parcel_successor AS s ON s.successor_code = d.key
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
SELECT 'parcel', t.parcel_code
FROM ops.dirty AS d
JOIN derived.parcel_township AS t ON t.area_code = d.key
WHERE d.kind = 'area'
UNION
SELECT 'parcel', p.parcel_code
FROM ops.dirty AS d
JOIN derived.parcel_patch AS p ON p.patch_code = d.key
WHERE d.kind = 'patch'
