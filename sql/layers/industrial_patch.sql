-- Layer 工业用地图斑. One row: one patch of the industrial base with the state of its land.
WITH args AS (
  SELECT CAST(:vintage AS integer) AS vintage
),
cover AS (
  SELECT
    c.patch_code,
    sum(c.base_area_m2) AS base,
    sum(c.linked_area_m2) AS linked,
    sum(c.evaluated_area_m2) AS evaluated,
    sum(c.transition_area_m2) AS transition,
    sum(c.covered_area_m2) AS covered
  FROM derived.patch_cover AS c
  JOIN ops.scope AS s
    ON s.step = 'publish_layers' AND s.kind = 'patch' AND s.key = c.patch_code
  GROUP BY c.patch_code
)
SELECT
  c.patch_code,
  t.land_use_code,
  t.township_code,
  CAST(round(c.base, 2) AS double precision) AS official_area_m2,
  CAST(round(c.linked, 2) AS double precision) AS linked_area_m2,
  CAST(round(c.evaluated, 2) AS double precision) AS evaluated_area_m2,
  CAST(round(c.transition, 2) AS double precision) AS transition_area_m2,
  CAST(round(c.covered, 2) AS double precision) AS covered_area_m2,
  CAST(trunc(coalesce(c.covered / nullif(c.base, 0), 0), 6) AS double precision) AS covered_share,
  t.geom
FROM args
CROSS JOIN cover AS c
JOIN core.patch AS t ON t.patch_code = c.patch_code AND t.to_run IS NULL AND t.vintage = args.vintage
