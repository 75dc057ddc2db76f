-- Whom a confirmation sheet 确认单 goes to: the enterprises of all units that are not excluded.
-- One row: one enterprise.
WITH args AS (
  SELECT
    CAST(:data_year AS integer) AS year,
    CAST(:codes AS text[]) AS codes,
    CAST(:township AS text) AS township
),
member AS (
  SELECT DISTINCT m.unit_code, m.enterprise_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  WHERE m.enterprise_code <> ''
)
SELECT
  e.enterprise_code, e.name, e.credit_code, e.address, e.industry_code, e.size_class, e.status,
  coalesce(s.township_code, '') AS township_code, a.name AS township_name, coalesce(s.missing, '{}') AS missing,
  u.unit_code, u.kind, u.kind_reason, u.eval_category, u.eval_state, u.state_reason, u.eval_area_m2,
  u.member_count, u.parcel_count, coalesce(g.lacking, '{}') AS lacking, g.obstacle
FROM args
JOIN derived.unit AS u ON u.year = args.year AND u.eval_state <> 'excluded'
JOIN member AS m ON m.unit_code = u.unit_code
JOIN core.enterprise AS e ON e.enterprise_code = m.enterprise_code AND e.to_run IS NULL
LEFT JOIN derived.seat AS s ON s.enterprise_code = e.enterprise_code
LEFT JOIN core.area AS a ON a.area_code = s.township_code AND a.to_run IS NULL
LEFT JOIN derived.grade AS g ON g.year = u.year AND g.unit_code = u.unit_code
WHERE (args.codes IS NULL OR e.enterprise_code = ANY (args.codes))
  AND (args.township IS NULL OR coalesce(s.township_code, '') = args.township)
ORDER BY coalesce(s.township_code, ''), e.enterprise_code
