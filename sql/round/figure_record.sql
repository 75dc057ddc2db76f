-- The delivered figures that the values of units are sums of. One row: one unit and record.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:years_back AS integer) AS years_back
),
member AS (
  SELECT DISTINCT m.unit_code, m.enterprise_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  WHERE m.enterprise_code <> ''
)
SELECT m.unit_code, i.indicator, i.year AS of_year, i.record_key
FROM args
CROSS JOIN member AS m
JOIN core.indicator AS i
  ON i.enterprise_code = m.enterprise_code AND i.to_run IS NULL
    AND i.year BETWEEN args.year - args.years_back AND args.year
ORDER BY m.unit_code, i.indicator, i.year, i.record_key
