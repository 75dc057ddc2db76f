-- Electricity accounts of the members of units with a grade that is charged (docs/sources.md, FH 6).
-- One row: one enterprise and account; account_no '' when none is known.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:electricity_grades AS text[]) AS grades
),
member AS (
  SELECT DISTINCT g.year, m.enterprise_code, g.unit_code, g.grade
  FROM args
  JOIN derived.grade AS g ON g.year = args.year AND g.grade = ANY (args.grades)
  JOIN derived.unit_member AS m ON m.year = g.year AND m.unit_code = g.unit_code
  WHERE m.enterprise_code <> ''
)
SELECT
  m.enterprise_code,
  coalesce(a.account_no, '') AS account_no,
  m.unit_code,
  m.grade,
  CASE WHEN a.account_no IS NULL THEN 'no_account' ELSE 'matched' END AS match_state,
  (u.unit_code IS NOT NULL) AS is_suspended
FROM member AS m
LEFT JOIN (
  SELECT DISTINCT p.year, p.unit_code
  FROM derived.policy_use AS p
  WHERE p.effect = 'electricity_levy' AND p.state = 'suspended'
) AS u ON u.year = m.year AND u.unit_code = m.unit_code
LEFT JOIN core.account AS a ON a.enterprise_code = m.enterprise_code AND a.to_run IS NULL
