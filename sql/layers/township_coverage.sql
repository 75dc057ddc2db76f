-- Layer 评价覆盖面. One row: one assessment unit. Without a delivered polygon, a township is drawn
-- from its industrial patches.
WITH args AS (
  SELECT CAST(:vintage AS integer) AS vintage, CAST(:base_codes AS text[]) AS base_codes
)
SELECT
  c.area_code AS township_code,
  c.name,
  c.kind,
  CAST(round(c.base_area_m2, 2) AS double precision) AS base_area_m2,
  CAST(round(c.linked_area_m2, 2) AS double precision) AS linked_area_m2,
  CAST(round(c.evaluated_area_m2, 2) AS double precision) AS evaluated_area_m2,
  CAST(round(c.transition_area_m2, 2) AS double precision) AS transition_area_m2,
  CAST(round(c.covered_area_m2, 2) AS double precision) AS covered_area_m2,
  CAST(trunc(c.coverage_ratio, 6) AS double precision) AS coverage_ratio,
  CAST(trunc(c.strict_ratio, 6) AS double precision) AS strict_ratio,
  CAST(c.target_ratio AS double precision) AS target_ratio,
  CAST(round(c.gap_m2 * 3 / 2000, 4) AS double precision) AS gap_mu,
  c.definition,
  c.count_above,
  c.count_below_ge3,
  c.count_below_lt3,
  c.count_tenant_only,
  c.count_parcel_merged,
  c.count_a,
  c.count_b,
  c.count_c,
  c.count_d,
  c.count_ungraded,
  coalesce(a.geom, drawn.geom) AS geom
FROM args
CROSS JOIN derived.township_coverage AS c
LEFT JOIN core.area AS a ON a.area_code = c.area_code AND a.to_run IS NULL
LEFT JOIN LATERAL (
  SELECT ST_Multi(ST_Union(t.geom ORDER BY t.patch_code)) AS geom
  FROM core.patch AS t
  WHERE a.geom IS NULL AND t.to_run IS NULL AND t.vintage = args.vintage
    AND t.land_use_code = ANY (args.base_codes) AND t.township_code = c.area_code
) AS drawn ON true
