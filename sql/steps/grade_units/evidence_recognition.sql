-- Recognitions of the members of units. One row: one unit and recognition. Read by
-- pipeline.steps.grade_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:unit_codes AS text[]) AS unit_codes
)
SELECT m.unit_code, r.enterprise_code, r.kind, r.level, r.valid_from, r.valid_to, r.record_key
FROM args
JOIN derived.unit_enterprise AS m
  ON m.year = args.year AND (args.unit_codes IS NULL OR m.unit_code = ANY (args.unit_codes))
JOIN core.recognition AS r ON r.enterprise_code = m.enterprise_code AND r.to_run IS NULL
ORDER BY m.unit_code, r.record_key
