-- Units of the data year as rules see them. The industry is that of the member with the most land.
-- One row: one unit; of those asked for, or all. Read by pipeline.steps.grade_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:unit_codes AS text[]) AS unit_codes
),
member AS (
  SELECT m.unit_code, m.enterprise_code, sum(m.area_m2) AS area
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  WHERE m.enterprise_code <> '' AND (args.unit_codes IS NULL OR m.unit_code = ANY (args.unit_codes))
  GROUP BY m.unit_code, m.enterprise_code
),
main AS (
  SELECT
    m.unit_code,
    (array_agg(e.industry_code ORDER BY m.area DESC, m.enterprise_code))[1] AS industry_code,
    bool_or(coalesce(e.size_class = 'ABOVE', false)) AS has_above
  FROM member AS m
  JOIN core.enterprise AS e ON e.enterprise_code = m.enterprise_code AND e.to_run IS NULL
  GROUP BY m.unit_code
)
SELECT
  u.unit_code, u.kind, u.eval_category, u.eval_state, u.state_reason, u.eval_area_m2, m.has_above, m.industry_code
FROM args
JOIN derived.unit AS u ON u.year = args.year
JOIN main AS m ON m.unit_code = u.unit_code
ORDER BY u.unit_code
