-- Overlaps between parcels, and gaps between parcels too narrow to be a street or a ditch.
-- One row: two parcels and what they cover twice, or what lies between them and is narrower than parcel_gap_m.
-- A gap is what closing by half that width (out and back in, with sharp corners) adds to the two together and
-- no parcel covers. Areas in the plane.
-- Source: docs/sources.md, 7 (slivers, duplicates).
WITH args AS (
  SELECT
    CAST(:parcel_gap_m AS double precision) AS gap_m,
    CAST(:topology_sliver_m2 AS numeric) AS sliver_m2,
    CAST(:topology_sliver_share AS numeric) AS sliver_share
),
-- A gap has a corner, or the middle of a side, of one of the two that is near the other and not on it.
pair AS MATERIALIZED (
  SELECT
    p.parcel_code,
    o.parcel_code AS other_code,
    args.gap_m,
    ST_Relate(p.geom, o.geom, 'T********') AS is_overlap,
    (
      SELECT count(*) > 0
      FROM (VALUES (p.geom, o.geom), (o.geom, p.geom)) AS g (near, far)
      CROSS JOIN LATERAL ST_DumpSegments(g.near) AS s
      CROSS JOIN LATERAL (VALUES (ST_StartPoint(s.geom)), (ST_Centroid(s.geom))) AS v (place)
      WHERE ST_DWithin(v.place, g.far, args.gap_m) AND NOT ST_Intersects(v.place, g.far)
    ) AS is_near
  FROM args
  JOIN core.parcel AS p ON p.to_run IS NULL
  JOIN core.parcel AS o
    ON o.to_run IS NULL AND o.geom && ST_Expand(p.geom, args.gap_m) AND p.parcel_code < o.parcel_code
  WHERE p.parcel_code IN (
    SELECT s.key FROM ops.scope AS s WHERE s.step = 'check_topology' AND s.kind = 'parcel'
  )
),
-- On a grid of a tenth of a millimetre, where what is left of borders rounded by ST_Buffer stays valid.
closed AS (
  SELECT
    x.parcel_code,
    x.other_code,
    x.gap_m,
    ST_Difference(
      ST_Buffer(ST_Buffer(u.geom, x.gap_m / 2, 'join=mitre'), -x.gap_m / 2, 'join=mitre'), u.geom, 0.0001
    ) AS geom
  FROM pair AS x
  JOIN core.parcel AS p ON p.parcel_code = x.parcel_code AND p.to_run IS NULL
  JOIN core.parcel AS o ON o.parcel_code = x.other_code AND o.to_run IS NULL
  CROSS JOIN LATERAL (SELECT ST_Union(p.geom, o.geom) AS geom) AS u
  WHERE x.is_near
),
part AS (
  SELECT c.parcel_code, c.other_code, c.gap_m, d.path, d.geom
  FROM closed AS c
  LEFT JOIN LATERAL (
    SELECT ST_Union(t.geom ORDER BY t.parcel_code) AS geom
    FROM core.parcel AS t
    WHERE t.to_run IS NULL AND t.parcel_code NOT IN (c.parcel_code, c.other_code) AND ST_Intersects(t.geom, c.geom)
  ) AS third ON true
  CROSS JOIN LATERAL ST_Dump(
    ST_CollectionExtract(CASE WHEN third.geom IS NULL THEN c.geom ELSE ST_Difference(c.geom, third.geom, 0.0001) END, 3)
  ) AS d
),
gap AS (
  SELECT g.parcel_code, g.other_code, ST_Multi(ST_Collect(g.geom ORDER BY g.path)) AS geom
  FROM part AS g
  JOIN core.parcel AS p ON p.parcel_code = g.parcel_code AND p.to_run IS NULL
  JOIN core.parcel AS o ON o.parcel_code = g.other_code AND o.to_run IS NULL
  -- ST_Buffer itself rounds a border off by a hundredth of its distance
  WHERE ST_Area(g.geom) > 0.01 * g.gap_m * ST_Perimeter(g.geom) / 2
    AND ST_DWithin(g.geom, p.geom, 0.001) AND ST_DWithin(g.geom, o.geom, 0.001)
  GROUP BY g.parcel_code, g.other_code
),
finding AS (
  SELECT
    CASE WHEN ST_Equals(p.geom, o.geom) THEN 'parcel.duplicate' ELSE 'parcel.overlap' END AS rule,
    x.parcel_code,
    x.other_code,
    ST_Multi(ST_CollectionExtract(ST_Intersection(p.geom, o.geom), 3)) AS geom
  FROM pair AS x
  JOIN core.parcel AS p ON p.parcel_code = x.parcel_code AND p.to_run IS NULL
  JOIN core.parcel AS o ON o.parcel_code = x.other_code AND o.to_run IS NULL
  WHERE x.is_overlap
  UNION ALL
  SELECT 'parcel.gap', g.parcel_code, g.other_code, g.geom
  FROM gap AS g
),
measured AS MATERIALIZED (
  SELECT f.*, round(CAST(ST_Area(f.geom) AS numeric), 4) AS size_m2
  FROM finding AS f
)
SELECT
  m.rule,
  m.parcel_code,
  m.other_code,
  m.size_m2,
  m.size_m2 < args.sliver_m2 AND m.size_m2 < args.sliver_share * least(p.plane_area_m2, o.plane_area_m2) AS is_sliver,
  m.geom
FROM args
CROSS JOIN measured AS m
JOIN core.parcel AS p ON p.parcel_code = m.parcel_code AND p.to_run IS NULL
JOIN core.parcel AS o ON o.parcel_code = m.other_code AND o.to_run IS NULL
WHERE m.size_m2 > 0
