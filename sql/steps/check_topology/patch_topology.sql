-- Overlaps and gaps between survey patches of one vintage; patches tile the county.
-- One row: two patches and what they cover twice, or the holes between them (patch.hole, other_code '',
-- where one lies in one patch alone). Every overlap and every gap begins and ends at a border on which no
-- other patch lies, so the few patches with such a border (derived.patch_border) are all that is looked at.
-- Areas on the ellipsoid. LATERAL with ORDER BY: these few are looked up one by one, whatever a plan expects
-- of a recursion.
-- Source: docs/sources.md, 3.3 (areas), 7 (slivers, duplicates).
WITH RECURSIVE args AS (
  SELECT
    CAST(:vintage AS integer) AS vintage,
    CAST(:area_srid AS integer) AS area_srid,
    CAST(:topology_sliver_m2 AS numeric) AS sliver_m2,
    CAST(:topology_sliver_share AS numeric) AS sliver_share
),
-- From a border into the land that is covered twice: what touches it may overlap as well, though another
-- patch lies on each of its borders. One row: a patch to look at, or with other_code an overlap.
walk AS (
  SELECT b.patch_code, CAST('' AS text) COLLATE "C" AS other_code, args.vintage
  FROM args
  CROSS JOIN derived.patch_border AS b
  UNION
  SELECT r.patch_code, r.other_code, w.vintage
  FROM walk AS w
  CROSS JOIN LATERAL (
    SELECT t.patch_code, t.geom
    FROM core.patch AS t
    WHERE w.other_code = '' AND t.vintage = w.vintage AND t.patch_code = w.patch_code AND t.to_run IS NULL
    ORDER BY t.patch_code
  ) AS a
  CROSS JOIN LATERAL (
    SELECT t.patch_code, ST_Intersection(a.geom, t.geom) AS shared
    FROM core.patch AS t
    WHERE t.vintage = w.vintage AND t.to_run IS NULL AND t.geom && a.geom AND t.patch_code <> a.patch_code
      AND ST_Relate(a.geom, t.geom, 'T********')
    ORDER BY t.patch_code
  ) AS o
  CROSS JOIN LATERAL (
    SELECT least(a.patch_code, o.patch_code) AS patch_code, greatest(a.patch_code, o.patch_code) AS other_code
    UNION ALL
    SELECT t.patch_code, ''
    FROM core.patch AS t
    WHERE t.vintage = w.vintage AND t.to_run IS NULL AND t.geom && o.shared
  ) AS r
),
overlap AS (
  SELECT
    w.patch_code,
    w.other_code,
    a.geom AS one,
    o.geom AS other,
    least(a.ellipsoid_area_m2, o.ellipsoid_area_m2) AS least_m2
  FROM walk AS w
  CROSS JOIN LATERAL (
    SELECT t.geom, t.ellipsoid_area_m2
    FROM core.patch AS t
    WHERE t.vintage = w.vintage AND t.patch_code = w.patch_code AND t.to_run IS NULL
    ORDER BY t.patch_code
  ) AS a
  CROSS JOIN LATERAL (
    SELECT t.geom, t.ellipsoid_area_m2
    FROM core.patch AS t
    WHERE t.vintage = w.vintage AND t.patch_code = w.other_code AND t.to_run IS NULL
    ORDER BY t.patch_code
  ) AS o
  WHERE w.other_code <> ''
),
-- The faces that these borders enclose; where no patch lies in one, it is a hole.
face AS MATERIALIZED (
  SELECT f.path[1] AS hole_no, f.geom, ST_PointOnSurface(f.geom) AS inner_point
  FROM (
    SELECT ST_Polygonize(l.geom) AS geom
    FROM (
      SELECT ST_UnaryUnion(ST_Collect(b.geom ORDER BY b.patch_code)) AS geom
      FROM derived.patch_border AS b
    ) AS l
  ) AS ring
  CROSS JOIN LATERAL ST_Dump(ring.geom) AS f
),
hole AS MATERIALIZED (
  SELECT f.hole_no, f.geom, args.vintage
  FROM args
  CROSS JOIN face AS f
  CROSS JOIN LATERAL (
    SELECT count(*) AS patches
    FROM core.patch AS t
    WHERE t.vintage = args.vintage AND t.to_run IS NULL AND ST_Intersects(t.geom, f.inner_point)
  ) AS over
  WHERE over.patches = 0
),
-- The two patches with the longest border on a hole; one that only touches a corner has none.
beside AS (
  SELECT
    h.hole_no, t.patch_code, t.ellipsoid_area_m2,
    row_number() OVER (PARTITION BY h.hole_no ORDER BY t.length_m DESC, t.patch_code) AS place
  FROM hole AS h
  CROSS JOIN LATERAL (SELECT ST_Buffer(h.geom, 0.001) AS geom ORDER BY h.hole_no) AS rim
  CROSS JOIN LATERAL (
    SELECT
      t.patch_code, t.ellipsoid_area_m2,
      round(CAST(ST_Length(ST_Intersection(b.geom, rim.geom)) AS numeric), 4) AS length_m
    FROM core.patch AS t
    JOIN derived.patch_border AS b ON b.patch_code = t.patch_code
    WHERE t.vintage = h.vintage AND t.to_run IS NULL AND t.geom && rim.geom
    ORDER BY t.patch_code
  ) AS t
  WHERE t.length_m > 0.01
),
gap AS (
  SELECT b.patch_code, b.other_code, min(b.least_m2) AS least_m2, ST_Collect(h.geom ORDER BY h.hole_no) AS geom
  FROM (
    SELECT
      b.hole_no,
      min(b.patch_code) AS patch_code,
      CASE WHEN count(*) > 1 THEN max(b.patch_code) ELSE '' END AS other_code,
      min(b.ellipsoid_area_m2) AS least_m2
    FROM beside AS b
    WHERE b.place <= 2
    GROUP BY b.hole_no
  ) AS b
  JOIN hole AS h ON h.hole_no = b.hole_no
  GROUP BY b.patch_code, b.other_code
),
finding AS (
  SELECT
    CASE WHEN ST_Equals(p.one, p.other) THEN 'patch.duplicate' ELSE 'patch.overlap' END AS rule,
    p.patch_code, p.other_code, p.least_m2,
    ST_Multi(ST_CollectionExtract(ST_Intersection(p.one, p.other), 3)) AS geom
  FROM overlap AS p
  UNION ALL
  SELECT
    CASE g.other_code WHEN '' THEN 'patch.hole' ELSE 'patch.gap' END, g.patch_code, g.other_code, g.least_m2,
    ST_Multi(g.geom)
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
  m.size_m2 < args.sliver_m2 AND m.size_m2 < args.sliver_share * m.least_m2 AS is_sliver,
  m.geom
FROM args
CROSS JOIN measured AS m
WHERE m.size_m2 > 0
