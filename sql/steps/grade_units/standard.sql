-- Benchmarks and cuts of the data year. One row: one standard. Read by pipeline.steps.grade_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
)
SELECT b.kind, b.scale, b.name, b.group_key, b.value, b.unit_count
FROM args
JOIN derived.benchmark AS b ON b.year = args.year
ORDER BY b.kind, b.scale, b.name, b.group_key
