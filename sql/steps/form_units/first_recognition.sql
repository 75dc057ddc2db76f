-- The year in which an enterprise in scope was first recognised, by kind: as an office states it, else
-- that of the earliest recognition held; and the end of its transition, where a person set one.
-- One row: one enterprise and kind. Read by pipeline.steps.form_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
)
SELECT
  r.enterprise_code,
  r.kind,
  CAST(extract(YEAR FROM least(min(r.first_on), min(r.valid_from))) AS integer) AS first_year,
  min(CAST(d.value AS date)) AS transition_end
FROM args
CROSS JOIN core.recognition AS r
JOIN ops.scope AS o ON o.step = 'form_units' AND o.kind = 'member' AND o.key = r.enterprise_code
LEFT JOIN core.current_evaluation_decision AS d
  ON d.enterprise_code = r.enterprise_code AND d.year = args.year AND d.kind = 'transition_end' AND d.value IS NOT NULL
WHERE r.to_run IS NULL
GROUP BY r.enterprise_code, r.kind
ORDER BY r.enterprise_code, r.kind
