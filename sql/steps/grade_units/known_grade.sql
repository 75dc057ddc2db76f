-- What offices and persons say of each unit's grade: the official result of the data year (newest edition
-- by name), and the last decision of a person. An enterprise unit takes its enterprise's rows; a parcel or
-- merged unit takes what all its members' rows share (docs/how-it-decides.md section 7).
-- One row: one unit that has either. Read by pipeline.steps.grade_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
official AS (
  SELECT DISTINCT ON (s.enterprise_code) s.enterprise_code, s.score, s.grade, s.edition
  FROM args
  JOIN core.score AS s ON s.to_run IS NULL AND s.year = args.year
  ORDER BY s.enterprise_code, s.edition DESC
),
decided AS (
  SELECT d.enterprise_code, d.value
  FROM args
  JOIN core.current_evaluation_decision AS d ON d.year = args.year AND d.kind = 'grade' AND d.value IS NOT NULL
)
SELECT
  m.unit_code,
  CASE
    WHEN count(o.score) = 1 OR min(o.score) = max(o.score) THEN min(o.score)
  END AS official_score,
  CASE WHEN count(DISTINCT o.grade) = 1 THEN min(o.grade) END AS official_grade,
  CASE WHEN count(DISTINCT o.grade) = 1 THEN max(o.edition) FILTER (WHERE o.grade IS NOT NULL) END AS edition,
  CASE WHEN count(DISTINCT d.value) = 1 THEN min(d.value) END AS decided_grade
FROM args
JOIN derived.unit_enterprise AS m ON m.year = args.year
LEFT JOIN official AS o ON o.enterprise_code = m.enterprise_code
LEFT JOIN decided AS d ON d.enterprise_code = m.enterprise_code
WHERE o.grade IS NOT NULL OR d.value IS NOT NULL
GROUP BY m.unit_code
ORDER BY m.unit_code
