-- Buildings and drawn land that lie on several parcels. One row: one footprint and one parcel on which it
-- lies besides the one that holds most of it; what lies on both of two overlapping parcels counts for the
-- main one. Areas in the plane.
-- Source: docs/sources.md, 7 (slivers).
WITH args AS (
  SELECT CAST(:topology_sliver_m2 AS numeric) AS sliver_m2, CAST(:topology_sliver_share AS numeric) AS sliver_share
),
hit AS MATERIALIZED (
  SELECT f.footprint_code, p.parcel_code
  FROM core.footprint AS f
  JOIN core.parcel AS p ON p.to_run IS NULL AND ST_Intersects(f.geom, p.geom)
  WHERE f.to_run IS NULL AND f.footprint_code IN (
    SELECT s.key FROM ops.scope AS s WHERE s.step = 'check_topology' AND s.kind = 'footprint'
  )
),
several AS (
  SELECT h.footprint_code, h.parcel_code
  FROM hit AS h
  WHERE h.footprint_code IN (SELECT n.footprint_code FROM hit AS n GROUP BY n.footprint_code HAVING count(*) > 1)
),
main AS MATERIALIZED (
  SELECT DISTINCT ON (s.footprint_code) s.footprint_code, s.parcel_code
  FROM several AS s
  JOIN core.footprint AS f ON f.footprint_code = s.footprint_code AND f.to_run IS NULL
  JOIN core.parcel AS p ON p.parcel_code = s.parcel_code AND p.to_run IS NULL
  ORDER BY s.footprint_code, round(CAST(ST_Area(ST_Intersection(f.geom, p.geom)) AS numeric), 4) DESC, s.parcel_code
),
piece AS MATERIALIZED (
  SELECT
    s.footprint_code, m.parcel_code AS main_code, s.parcel_code, f.plane_area_m2 AS footprint_m2,
    p.plane_area_m2 AS parcel_m2,
    ST_Multi(ST_CollectionExtract(ST_Intersection(ST_Difference(f.geom, h.geom), p.geom), 3)) AS geom
  FROM several AS s
  JOIN main AS m ON m.footprint_code = s.footprint_code AND m.parcel_code <> s.parcel_code
  JOIN core.footprint AS f ON f.footprint_code = s.footprint_code AND f.to_run IS NULL
  JOIN core.parcel AS h ON h.parcel_code = m.parcel_code AND h.to_run IS NULL
  JOIN core.parcel AS p ON p.parcel_code = s.parcel_code AND p.to_run IS NULL
),
measured AS MATERIALIZED (
  SELECT p.*, round(CAST(ST_Area(p.geom) AS numeric), 4) AS size_m2
  FROM piece AS p
)
SELECT
  'footprint.across' AS rule,
  m.footprint_code,
  m.parcel_code,
  m.main_code,
  m.size_m2,
  m.size_m2 < args.sliver_m2 AND m.size_m2 < args.sliver_share * least(m.footprint_m2, m.parcel_m2) AS is_sliver,
  m.geom
FROM args
CROSS JOIN measured AS m
WHERE m.size_m2 > 0
