-- Grades of units as the last run computed them, and as they would be issued from it. One row: one unit.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
)
SELECT
  u.unit_code, u.kind, u.eval_category, u.eval_state, u.eval_area_m2,
  g.adjusted_grade, g.official_grade, g.decided_grade
FROM args
JOIN derived.unit AS u ON u.year = args.year
LEFT JOIN derived.grade AS g ON g.year = u.year AND g.unit_code = u.unit_code
ORDER BY u.unit_code
