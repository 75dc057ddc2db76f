-- The records that the figures of units are sums of. One row: one unit and record; of the units asked for,
-- or all. Read by pipeline.steps.grade_units.
WITH args AS (
  SELECT
    CAST(:data_year AS integer) AS year,
    CAST(:years_back AS integer) AS years_back,
    CAST(:unit_codes AS text[]) AS unit_codes
)
SELECT m.unit_code, i.indicator, i.year AS of_year, i.record_key
FROM args
JOIN derived.unit_enterprise AS m
  ON m.year = args.year AND (args.unit_codes IS NULL OR m.unit_code = ANY (args.unit_codes))
JOIN core.indicator AS i
  ON i.enterprise_code = m.enterprise_code AND i.to_run IS NULL
    AND i.year BETWEEN args.year - args.years_back AND args.year
ORDER BY m.unit_code, i.indicator, i.year, i.record_key
