-- Persons selected for programmes, by the units of their enterprises. One row: one unit and selection.
-- Read by pipeline.steps.grade_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:unit_codes AS text[]) AS unit_codes
)
SELECT m.unit_code, t.enterprise_code, t.person_no, t.programme, t.level, t.selected_on, t.record_key
FROM args
JOIN derived.unit_enterprise AS m
  ON m.year = args.year AND (args.unit_codes IS NULL OR m.unit_code = ANY (args.unit_codes))
JOIN core.talent AS t ON t.enterprise_code = m.enterprise_code AND t.to_run IS NULL
ORDER BY m.unit_code, t.record_key
