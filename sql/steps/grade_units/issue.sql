-- Parcel and merged units whose members carry different official grades, and enterprises with an
-- official grade but no unit. One row: one unit or enterprise. Written whole.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
graded AS (
  SELECT DISTINCT ON (s.enterprise_code) s.enterprise_code, s.grade
  FROM args
  JOIN core.score AS s ON s.to_run IS NULL AND s.year = args.year AND s.grade IS NOT NULL
  ORDER BY s.enterprise_code, s.edition DESC
),
member AS (
  SELECT DISTINCT m.unit_code, m.enterprise_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
)
SELECT
  'grade_units' AS step,
  'grade.members_differ' AS rule,
  'warning' AS severity,
  'score' AS feed,
  m.unit_code AS subject_key,
  '' AS detail_key,
  jsonb_build_object(
    'unit', m.unit_code,
    'grades', string_agg(m.enterprise_code || ' ' || g.grade, ', ' ORDER BY m.enterprise_code)
  ) AS params
FROM member AS m
JOIN graded AS g ON g.enterprise_code = m.enterprise_code
GROUP BY m.unit_code
HAVING count(DISTINCT g.grade) > 1
UNION ALL
SELECT
  'grade_units', 'grade.no_unit', 'notice', 'score', g.enterprise_code, '',
  jsonb_build_object('enterprise', g.enterprise_code, 'grade', g.grade)
FROM graded AS g
WHERE NOT EXISTS (SELECT 1 FROM member AS m WHERE m.enterprise_code = g.enterprise_code)
