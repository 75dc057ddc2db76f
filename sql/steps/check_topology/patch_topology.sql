-- Overlaps and gaps between survey patches of one vintage; patches tile the county.
-- One row: two patches and what they cover twice, or the holes between them (patch.hole, other_code '',
-- where one lies in one patch alone). Every overlap and every gap begins and ends at a border on which no other patch lies,
-- so the few patches with such a border (derived.patch_border) are all that is looked at. Areas on the
-- ellipsoid.
-- Source: docs/sources.md, 3.3 (areas), 7 (slivers, duplicates).
WITH RECURSIVE args AS (
  SELECT
    CAST(:vintage AS integer) AS vintage,
    CAST(:area_srid AS integer) AS area_srid,
    CAST(:topology_sliver_m2 AS numeric) AS sliver_m2,
    CAST(:topology_sliver_share AS numeric) AS sliver_share
),
-- From a border into the land that is covered twice: what touches an overlap may overlap as well, though
-- another patch lies on each of its borders.
suspect AS (
  SELECT b.patch_code FROM derived.patch_border AS b
  UNION
  SELECT n.patch_code
  FROM suspect AS s
  CROSS JOIN args
  JOIN core.patch AS a ON a.patch_code = s.patch_code AND a.vintage = args.vintage AND a.to_run IS NULL
  JOIN core.patch AS o
    ON o.vintage = args.vintage AND o.to_run IS NULL AND o.geom && a.geom AND o.patch_code <> a.patch_code
  JOIN core.patch AS n
    ON n.vintage = args.vintage AND n.to_run IS NULL AND (n.geom && a.geom OR n.geom && o.geom)
  WHERE ST_Relate(a.geom, o.geom, 'T********')
),
pair AS MATERIALIZED (
  SELECT DISTINCT least(a.patch_code, o.patch_code) AS patch_code, greatest(a.patch_code, o.patch_code) AS other_code
  FROM suspect AS s
  CROSS JOIN args
  JOIN core.patch AS a ON a.patch_code = s.patch_code AND a.vintage = args.vintage AND a.to_run IS NULL
  JOIN core.patch AS o
    ON o.vintage = args.vintage AND o.to_run IS NULL AND o.geom && a.geom AND o.patch_code <> a.patch_code
  WHERE ST_Relate(a.geom, o.geom, 'T********')
),
-- The borders on a grid of a tenth of a millimetre, so that rings close.
hole AS MATERIALIZED (
  SELECT f.path[1] AS hole_no, f.geom
  FROM (
    SELECT ST_Polygonize(l.geom) AS geom
    FROM (
      SELECT ST_UnaryUnion(ST_Collect(b.geom ORDER BY b.patch_code), 0.0001) AS geom
      FROM derived.patch_border AS b
    ) AS l
  ) AS ring
  CROSS JOIN LATERAL ST_Dump(ring.geom) AS f
  CROSS JOIN args
  WHERE NOT EXISTS (
    SELECT 1
    FROM core.patch AS t
    WHERE t.vintage = args.vintage AND t.to_run IS NULL AND ST_Intersects(t.geom, ST_PointOnSurface(f.geom))
  )
),
-- The two patches with the longest border on a hole; one that only touches a corner has none.
beside AS (
  SELECT
    h.hole_no, t.patch_code, l.length_m,
    row_number() OVER (PARTITION BY h.hole_no ORDER BY l.length_m DESC, t.patch_code) AS place
  FROM args
  CROSS JOIN hole AS h
  JOIN core.patch AS t
    ON t.vintage = args.vintage AND t.to_run IS NULL AND ST_DWithin(t.geom, h.geom, 0.001)
  CROSS JOIN LATERAL (
    SELECT round(CAST(ST_Length(ST_Intersection(ST_Boundary(t.geom), ST_Buffer(h.geom, 0.001))) AS numeric), 4) AS length_m
  ) AS l
  WHERE l.length_m > 0.01
),
gap AS (
  SELECT b.patch_code, b.other_code, ST_Multi(ST_Collect(h.geom ORDER BY h.hole_no)) AS geom
  FROM (
    SELECT
      b.hole_no, min(b.patch_code) AS patch_code,
      CASE WHEN count(*) > 1 THEN max(b.patch_code) ELSE '' END AS other_code
    FROM beside AS b
    WHERE b.place <= 2
    GROUP BY b.hole_no
  ) AS b
  JOIN hole AS h ON h.hole_no = b.hole_no
  GROUP BY b.patch_code, b.other_code
),
finding AS (
  SELECT
    CASE WHEN ST_Equals(a.geom, o.geom) THEN 'patch.duplicate' ELSE 'patch.overlap' END AS rule,
    p.patch_code,
    p.other_code,
    ST_Multi(ST_CollectionExtract(ST_Intersection(a.geom, o.geom), 3)) AS geom
  FROM args
  CROSS JOIN pair AS p
  JOIN core.patch AS a ON a.patch_code = p.patch_code AND a.vintage = args.vintage AND a.to_run IS NULL
  JOIN core.patch AS o ON o.patch_code = p.other_code AND o.vintage = args.vintage AND o.to_run IS NULL
  UNION ALL
  SELECT CASE g.other_code WHEN '' THEN 'patch.hole' ELSE 'patch.gap' END, g.patch_code, g.other_code, g.geom
  FROM gap AS g
),
measured AS MATERIALIZED (
  SELECT f.*, round(CAST(ST_Area(ST_Transform(f.geom, args.area_srid)) AS numeric), 4) AS size_m2
  FROM args
  CROSS JOIN finding AS f
)
SELECT
  args.vintage,
  m.rule,
  m.patch_code,
  m.other_code,
  m.size_m2,
  m.size_m2 < args.sliver_m2
    AND m.size_m2 < args.sliver_share * least(a.ellipsoid_area_m2, o.ellipsoid_area_m2) AS is_sliver,
  m.geom
FROM args
CROSS JOIN measured AS m
JOIN core.patch AS a ON a.patch_code = m.patch_code AND a.vintage = args.vintage AND a.to_run IS NULL
LEFT JOIN core.patch AS o ON o.patch_code = m.other_code AND o.vintage = args.vintage AND o.to_run IS NULL
WHERE m.size_m2 > 0
