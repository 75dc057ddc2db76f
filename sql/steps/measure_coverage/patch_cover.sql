-- State of the land of each industrial patch in each assessment unit, in official area, by the
-- definition COV_SPATIAL (docs/sources.md, 1.8): share of the patch under evaluated land x TBMJ.
-- One row: one patch and one assessment unit that it lies in.
-- Where parcels overlap, a spot counts once, at the largest share over it: pieces are laid down in
-- falling order of their share, each without what already lies there.
WITH args AS (
  SELECT
    CAST(:area_srid AS integer) AS area_srid,
    CAST(:base_codes AS text[]) AS base_codes,
    CAST(:vintage AS integer) AS vintage
),
patch AS (
  SELECT
    t.patch_code,
    t.township_code,
    round(coalesce(t.official_area_m2, t.ellipsoid_area_m2), 4) AS official,
    t.ellipsoid_area_m2 AS drawn,
    t.geom
  FROM args
  JOIN core.patch AS t
    ON t.to_run IS NULL AND t.vintage = args.vintage AND t.land_use_code = ANY (args.base_codes)
  JOIN ops.scope AS s
    ON s.step = 'measure_coverage' AND s.kind = 'patch' AND s.key = t.patch_code
  WHERE t.ellipsoid_area_m2 > 0
),
-- Zones that cut a patch; where zones overlap, the one with the smaller code takes the land.
zone AS (
  SELECT
    t.patch_code,
    t.township_code,
    t.drawn,
    a.area_code,
    CASE
      WHEN taken.geom IS NULL THEN ST_CollectionExtract(ST_Intersection(t.geom, a.geom), 3)
      ELSE ST_CollectionExtract(ST_Difference(ST_Intersection(t.geom, a.geom), taken.geom), 3)
    END AS geom
  FROM patch AS t
  JOIN core.area AS a ON a.to_run IS NULL AND a.kind = 'zone' AND ST_Intersects(t.geom, a.geom)
  LEFT JOIN LATERAL (
    SELECT ST_Union(o.geom ORDER BY o.area_code) AS geom
    FROM core.area AS o
    WHERE o.to_run IS NULL AND o.kind = 'zone' AND o.area_code < a.area_code AND ST_Intersects(o.geom, t.geom)
  ) AS taken ON true
),
-- What a zone of the township's own code takes stays with the rest of the patch.
zone_part AS (
  SELECT
    z.patch_code,
    z.drawn,
    z.area_code,
    z.geom,
    round(CAST(ST_Area(ST_Transform(z.geom, args.area_srid)) AS numeric), 4) AS area
  FROM args
  CROSS JOIN zone AS z
  WHERE z.area_code <> z.township_code
),
-- Parts of a patch: one per zone, the rest to the township of its ZLDWDM. geom NULL: all of it.
part AS (
  SELECT z.patch_code, z.area_code, CASE WHEN z.area < z.drawn THEN z.geom END AS geom, least(z.area, z.drawn) AS area
  FROM zone_part AS z
  WHERE z.area > 0
  UNION ALL
  SELECT
    t.patch_code,
    t.township_code,
    CASE WHEN z.patch_code IS NOT NULL THEN ST_CollectionExtract(ST_Difference(t.geom, z.geom), 3) END,
    t.drawn - coalesce(z.area, 0)
  FROM patch AS t
  LEFT JOIN (
    SELECT z.patch_code, ST_Union(z.geom ORDER BY z.area_code) AS geom, sum(z.area) AS area
    FROM zone_part AS z
    WHERE z.area > 0
    GROUP BY z.patch_code
  ) AS z ON z.patch_code = t.patch_code
  WHERE t.drawn > coalesce(z.area, 0)
),
based AS (
  SELECT
    p.patch_code,
    p.area_code,
    p.geom,
    p.area,
    t.township_code,
    t.official,
    t.drawn,
    -- What rounding leaves goes to the part with the largest code, so that parts sum to the patch.
    CASE WHEN row_number() OVER falling = 1
      THEN t.official - coalesce(sum(round(t.official * p.area / t.drawn, 4)) OVER others, 0)
      ELSE round(t.official * p.area / t.drawn, 4) END AS base
  FROM part AS p
  JOIN patch AS t ON t.patch_code = p.patch_code
  WINDOW
    falling AS (PARTITION BY p.patch_code ORDER BY p.area_code DESC),
    others AS (
      PARTITION BY p.patch_code ORDER BY p.area_code DESC ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    )
),
piece AS (
  SELECT
    b.patch_code,
    b.area_code,
    pp.parcel_code,
    CASE WHEN b.geom IS NULL THEN pp.geom
      ELSE ST_Multi(ST_CollectionExtract(ST_Intersection(b.geom, pp.geom), 3)) END AS geom,
    CASE WHEN b.geom IS NULL THEN pp.area_m2 END AS whole_area,
    s.linked_share AS linked,
    s.evaluated_share AS evaluated,
    s.transition_share AS transition,
    s.evaluated_share + s.transition_share AS covered
  FROM based AS b
  JOIN derived.parcel_patch AS pp ON pp.patch_code = b.patch_code
  JOIN derived.parcel_state AS s ON s.parcel_code = pp.parcel_code
  WHERE s.linked_share > 0
),
piece_state AS (
  SELECT p.patch_code, p.area_code, p.parcel_code, p.geom, p.whole_area, v.state, v.share
  FROM piece AS p
  CROSS JOIN LATERAL (
    VALUES ('linked', p.linked), ('evaluated', p.evaluated), ('transition', p.transition), ('covered', p.covered)
  ) AS v (state, share)
  WHERE v.share > 0
),
-- Pieces of a patch that share land: few, so that only they are cut.
overlap AS MATERIALIZED (
  SELECT p.patch_code, p.area_code, p.parcel_code, o.parcel_code AS other
  FROM piece AS p
  JOIN piece AS o
    ON o.patch_code = p.patch_code AND o.area_code = p.area_code AND o.parcel_code <> p.parcel_code
    AND ST_Intersects(o.geom, p.geom)
  WHERE ST_Dimension(ST_Intersection(o.geom, p.geom)) = 2
),
above AS (
  SELECT p.patch_code, p.area_code, p.parcel_code, p.state, ST_Union(o.geom ORDER BY o.parcel_code) AS geom
  FROM overlap AS v
  JOIN piece_state AS p
    ON p.patch_code = v.patch_code AND p.area_code = v.area_code AND p.parcel_code = v.parcel_code
  JOIN piece_state AS o
    ON o.patch_code = v.patch_code AND o.area_code = v.area_code AND o.parcel_code = v.other AND o.state = p.state
  WHERE (o.share, o.parcel_code) > (p.share, p.parcel_code)
  GROUP BY p.patch_code, p.area_code, p.parcel_code, p.state
),
-- One row per piece and state; pieces without an overlapping neighbour keep their whole area.
laid AS (
  SELECT
    p.patch_code,
    p.area_code,
    p.state,
    p.share,
    round(CASE
      WHEN a.geom IS NULL AND p.whole_area IS NOT NULL THEN p.whole_area
      WHEN a.geom IS NULL THEN CAST(ST_Area(ST_Transform(p.geom, args.area_srid)) AS numeric)
      ELSE CAST(ST_Area(ST_Transform(ST_CollectionExtract(ST_Difference(p.geom, a.geom), 3), args.area_srid)) AS numeric)
    END, 4) AS area
  FROM args
  CROSS JOIN piece_state AS p
  LEFT JOIN above AS a
    ON a.patch_code = p.patch_code AND a.area_code = p.area_code AND a.parcel_code = p.parcel_code
    AND a.state = p.state
),
summed AS (
  SELECT
    l.patch_code,
    l.area_code,
    sum(l.area * l.share) FILTER (WHERE l.state = 'linked') AS linked,
    sum(l.area * l.share) FILTER (WHERE l.state = 'evaluated') AS evaluated,
    sum(l.area * l.share) FILTER (WHERE l.state = 'transition') AS transition,
    sum(l.area * l.share) FILTER (WHERE l.state = 'covered') AS covered
  FROM laid AS l
  GROUP BY l.patch_code, l.area_code
),
-- Drawn area becomes official area; overlay noise below 0.0001 m2 must not lift a state over the next.
scaled AS (
  SELECT
    b.patch_code,
    b.area_code,
    b.township_code,
    b.base,
    least(round(b.official * coalesce(s.linked, 0) / b.drawn, 4), b.base) AS linked,
    round(b.official * coalesce(s.evaluated, 0) / b.drawn, 4) AS evaluated,
    round(b.official * coalesce(s.transition, 0) / b.drawn, 4) AS transition,
    round(b.official * coalesce(s.covered, 0) / b.drawn, 4) AS covered
  FROM based AS b
  LEFT JOIN summed AS s ON s.patch_code = b.patch_code AND s.area_code = b.area_code
)
SELECT
  s.patch_code,
  s.area_code,
  s.township_code,
  s.base AS base_area_m2,
  s.linked AS linked_area_m2,
  least(s.evaluated, s.covered, s.linked) AS evaluated_area_m2,
  least(s.transition, s.covered, s.linked) AS transition_area_m2,
  least(s.covered, s.linked) AS covered_area_m2
FROM scaled AS s
