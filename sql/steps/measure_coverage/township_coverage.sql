-- Coverage of each assessment unit against its target (docs/sources.md, FH 3: 70 % in principle).
-- One row: one township or zone that has industrial land or is delivered as an area.
WITH args AS (
  SELECT
    CAST(:data_year AS integer) AS year,
    CAST(:target_ratio AS numeric) AS target,
    CAST(:definition AS text) AS definition
),
land AS (
  SELECT
    c.area_code,
    sum(c.base_area_m2) AS base,
    sum(c.linked_area_m2) AS linked,
    sum(c.evaluated_area_m2) AS evaluated,
    sum(c.transition_area_m2) AS transition,
    sum(c.covered_area_m2) AS covered
  FROM derived.patch_cover AS c
  GROUP BY c.area_code
),
area AS (
  SELECT a.area_code, a.name, a.kind
  FROM core.area AS a
  WHERE a.to_run IS NULL AND a.kind IN ('township', 'zone')
  UNION
  SELECT l.area_code, l.area_code, 'township'
  FROM land AS l
  WHERE NOT EXISTS (
    SELECT 1
    FROM core.area AS a
    WHERE a.area_code = l.area_code AND a.to_run IS NULL AND a.kind IN ('township', 'zone')
  )
),
-- A unit counts where most of its land lies.
unit_area AS (
  SELECT DISTINCT ON (m.unit_code) m.unit_code, t.area_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  JOIN derived.parcel_township AS t ON t.parcel_code = m.parcel_code
  GROUP BY m.unit_code, t.area_code
  ORDER BY m.unit_code, sum(m.area_m2) DESC, t.area_code
),
counted AS (
  SELECT
    ua.area_code,
    count(*) FILTER (WHERE u.eval_category = 'ABOVE') AS above,
    count(*) FILTER (WHERE u.eval_category = 'BELOW_GE3') AS below_ge3,
    count(*) FILTER (WHERE u.eval_category = 'BELOW_LT3') AS below_lt3,
    count(*) FILTER (WHERE u.eval_category = 'TENANT_ONLY') AS tenant_only,
    count(*) FILTER (WHERE u.eval_category = 'PARCEL_MERGED') AS parcel_merged,
    count(*) FILTER (WHERE g.grade = 'A') AS a,
    count(*) FILTER (WHERE g.grade = 'B') AS b,
    count(*) FILTER (WHERE g.grade = 'C') AS c,
    count(*) FILTER (WHERE g.grade = 'D') AS d,
    count(*) FILTER (WHERE g.grade IS NULL OR g.grade NOT IN ('A', 'B', 'C', 'D')) AS ungraded
  FROM args
  JOIN derived.unit AS u ON u.year = args.year
  JOIN unit_area AS ua ON ua.unit_code = u.unit_code
  LEFT JOIN derived.grade AS g ON g.year = u.year AND g.unit_code = u.unit_code
  WHERE u.eval_state IN ('evaluated', 'transition')
  GROUP BY ua.area_code
)
SELECT
  a.area_code,
  a.name,
  a.kind,
  round(coalesce(l.base, 0), 4) AS base_area_m2,
  round(coalesce(l.linked, 0), 4) AS linked_area_m2,
  round(coalesce(l.evaluated, 0), 4) AS evaluated_area_m2,
  round(coalesce(l.transition, 0), 4) AS transition_area_m2,
  round(coalesce(l.covered, 0), 4) AS covered_area_m2,
  round(l.covered / nullif(l.base, 0), 12) AS coverage_ratio,
  round(l.evaluated / nullif(l.base, 0), 12) AS strict_ratio,
  args.target AS target_ratio,
  round(greatest(args.target * coalesce(l.base, 0) - coalesce(l.covered, 0), 0), 4) AS gap_m2,
  args.definition,
  CAST(coalesce(c.above, 0) AS integer) AS count_above,
  CAST(coalesce(c.below_ge3, 0) AS integer) AS count_below_ge3,
  CAST(coalesce(c.below_lt3, 0) AS integer) AS count_below_lt3,
  CAST(coalesce(c.tenant_only, 0) AS integer) AS count_tenant_only,
  CAST(coalesce(c.parcel_merged, 0) AS integer) AS count_parcel_merged,
  CAST(coalesce(c.a, 0) AS integer) AS count_a,
  CAST(coalesce(c.b, 0) AS integer) AS count_b,
  CAST(coalesce(c.c, 0) AS integer) AS count_c,
  CAST(coalesce(c.d, 0) AS integer) AS count_d,
  CAST(coalesce(c.ungraded, 0) AS integer) AS count_ungraded
FROM args
CROSS JOIN area AS a
LEFT JOIN land AS l ON l.area_code = a.area_code
LEFT JOIN counted AS c ON c.area_code = a.area_code
