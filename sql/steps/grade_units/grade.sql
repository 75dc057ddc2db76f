-- Grade of each unit, joined from the official result of the data year (newest edition by name).
-- One row: one unit with a grade. An enterprise unit takes its enterprise's row; a parcel or merged
-- unit takes the grade that all its members' rows share (docs/how-it-decides.md section 7).
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
official AS (
  SELECT DISTINCT ON (s.enterprise_code) s.enterprise_code, s.score, s.grade, s.edition
  FROM args
  JOIN core.score AS s ON s.to_run IS NULL AND s.year = args.year
  ORDER BY s.enterprise_code, s.edition DESC
),
member AS (
  SELECT DISTINCT m.unit_code, m.enterprise_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  WHERE m.enterprise_code <> ''
)
SELECT
  args.year,
  m.unit_code,
  CASE WHEN count(*) = 1 OR min(o.score) = max(o.score) THEN min(o.score) END AS score,
  min(o.grade) AS grade,
  'official' AS source,
  max(o.edition) AS edition
FROM args
CROSS JOIN member AS m
JOIN official AS o ON o.enterprise_code = m.enterprise_code
WHERE o.grade IS NOT NULL
GROUP BY args.year, m.unit_code
HAVING count(DISTINCT o.grade) = 1
