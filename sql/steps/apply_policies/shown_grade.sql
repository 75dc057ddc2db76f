-- The grade of each unit as it is shown, and the one that its members shared in the year before: as issued,
-- else official. One row: one unit with a grade. Read by pipeline.steps.apply_policies.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
past AS (
  SELECT DISTINCT ON (p.enterprise_code) p.enterprise_code, p.grade
  FROM (
    SELECT m.enterprise_code, i.grade, 1 AS rank, '' AS edition
    FROM args
    JOIN core.current_issued_unit AS i ON i.year = args.year - 1 AND i.grade IS NOT NULL
    JOIN core.issued_member AS m ON m.year = i.year AND m.edition = i.edition AND m.unit_code = i.unit_code
    UNION ALL
    SELECT s.enterprise_code, s.grade, 2, s.edition
    FROM args
    JOIN core.score AS s ON s.to_run IS NULL AND s.year = args.year - 1 AND s.grade IS NOT NULL
  ) AS p
  ORDER BY p.enterprise_code, p.rank, p.edition DESC
),
shared AS (
  SELECT m.unit_code, CASE WHEN count(DISTINCT p.grade) = 1 THEN min(p.grade) END AS grade
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year AND m.enterprise_code <> ''
  JOIN past AS p ON p.enterprise_code = m.enterprise_code
  GROUP BY m.unit_code
)
SELECT g.unit_code, g.grade, s.grade AS past_grade
FROM args
JOIN derived.grade AS g ON g.year = args.year AND g.grade IS NOT NULL
LEFT JOIN shared AS s ON s.unit_code = g.unit_code
ORDER BY g.unit_code
