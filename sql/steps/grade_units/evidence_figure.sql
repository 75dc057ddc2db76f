-- Figures of units. One row: one unit, figure and year. Read by pipeline.steps.grade_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:unit_codes AS text[]) AS unit_codes
)
SELECT v.unit_code, v.indicator, v.of_year, v.value
FROM args
JOIN derived.unit_value AS v ON v.year = args.year
WHERE args.unit_codes IS NULL OR v.unit_code = ANY (args.unit_codes)
ORDER BY v.unit_code, v.indicator, v.of_year
