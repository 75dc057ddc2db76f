-- Invariant 3: assessment units sum to the county, to 0.01 m2, and patches to their official area.
-- One row: one sum that does not hold.
WITH args AS (
  SELECT CAST(:vintage AS integer) AS vintage, CAST(:base_codes AS text[]) AS base_codes
),
patch AS (
  SELECT t.patch_code, round(coalesce(t.official_area_m2, t.ellipsoid_area_m2), 4) AS official
  FROM args
  JOIN core.patch AS t
    ON t.to_run IS NULL AND t.vintage = args.vintage AND t.land_use_code = ANY (args.base_codes)
  WHERE t.ellipsoid_area_m2 > 0
),
cover AS (
  SELECT c.patch_code, sum(c.base_area_m2) AS base FROM derived.patch_cover AS c GROUP BY c.patch_code
),
unit AS (
  SELECT
    sum(u.base_area_m2) AS base, sum(u.linked_area_m2) AS linked, sum(u.evaluated_area_m2) AS evaluated,
    sum(u.covered_area_m2) AS covered
  FROM derived.township_coverage AS u
),
county AS (
  SELECT
    sum(c.base_area_m2) AS base, sum(c.linked_area_m2) AS linked, sum(c.evaluated_area_m2) AS evaluated,
    sum(c.covered_area_m2) AS covered
  FROM derived.patch_cover AS c
)
SELECT 'patch ' || coalesce(p.patch_code, c.patch_code) AS sum_of, p.official AS expected, c.base AS found
FROM patch AS p
FULL JOIN cover AS c ON c.patch_code = p.patch_code
WHERE p.official IS NULL OR c.base IS NULL OR abs(p.official - c.base) > 0.01
UNION ALL
SELECT v.name, v.expected, v.found
FROM unit AS u
CROSS JOIN county AS c
CROSS JOIN LATERAL (
  VALUES
    ('base', c.base, u.base), ('linked', c.linked, u.linked),
    ('evaluated', c.evaluated, u.evaluated), ('covered', c.covered, u.covered)
) AS v (name, expected, found)
WHERE abs(coalesce(v.expected, 0) - coalesce(v.found, 0)) > 0.01
