-- Grades that people decided, with who did it, when and why. One row: one enterprise.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
)
SELECT
  d.enterprise_code, d.decision_id, d.value, d.author, d.reason, CAST(d.entered_at AS date) AS entered_on
FROM args
JOIN core.current_evaluation_decision AS d ON d.year = args.year AND d.kind = 'grade' AND d.value IS NOT NULL
ORDER BY d.enterprise_code
