-- Every enterprise with land is a member of exactly one unit of the year, and every unit's area is
-- the sum of its members'. One row: one enterprise or unit that breaks it.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
)
SELECT 'enterprise ' || a.enterprise_code AS subject, count(DISTINCT m.unit_code) AS units, NULL AS difference_m2
FROM args
CROSS JOIN derived.allocation AS a
LEFT JOIN derived.unit_member AS m ON m.enterprise_code = a.enterprise_code AND m.year = args.year
WHERE a.enterprise_code <> ''
GROUP BY a.enterprise_code
HAVING count(DISTINCT m.unit_code) <> 1
UNION ALL
SELECT 'unit ' || u.unit_code, NULL, u.eval_area_m2 - sum(m.area_m2 - m.deducted_m2)
FROM derived.unit AS u
LEFT JOIN derived.unit_member AS m ON m.year = u.year AND m.unit_code = u.unit_code
GROUP BY u.unit_code, u.eval_area_m2, u.year
HAVING u.eval_area_m2 <> coalesce(sum(m.area_m2 - m.deducted_m2), -1)
