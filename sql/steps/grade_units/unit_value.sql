-- Figures of the units of the data year and of the years that rules look back to: sums over the members
-- that have one (docs/sources.md, 1.3). One row: one unit, figure and year; none without a rule set.
WITH args AS (
  SELECT
    CAST(:data_year AS integer) AS year,
    CAST(:years_back AS integer) AS years_back,
    CAST(:rules AS text) AS rules
),
member AS (
  SELECT DISTINCT m.unit_code, m.component, m.enterprise_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  JOIN ops.scope AS s ON s.step = 'grade_units' AND s.kind = 'component' AND s.key = m.component
  WHERE args.rules <> '' AND m.enterprise_code <> ''
)
SELECT
  args.year,
  m.unit_code,
  i.indicator,
  i.year AS of_year,
  m.component,
  sum(i.value) AS value,
  CAST(count(*) AS integer) AS member_count
FROM args
CROSS JOIN member AS m
JOIN core.indicator AS i
  ON i.enterprise_code = m.enterprise_code AND i.to_run IS NULL
    AND i.year BETWEEN args.year - args.years_back AND args.year
GROUP BY args.year, m.unit_code, i.indicator, i.year, m.component
