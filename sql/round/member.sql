-- Enterprises of the units of the data year, with what puts each into a list. The registry says the name and
-- whether it is 规上; land of its own is an accepted link as owner or operator.
-- One row: one enterprise; it stands in one unit.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
member AS (
  SELECT DISTINCT m.unit_code, m.enterprise_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  WHERE m.enterprise_code <> ''
)
SELECT
  m.unit_code,
  m.enterprise_code,
  e.name,
  coalesce(s.township_code, '') AS township_code,
  coalesce(e.size_class = 'ABOVE', false) AS is_above,
  (EXISTS (
    SELECT 1
    FROM derived.link AS l
    WHERE l.enterprise_code = m.enterprise_code AND l.status = 'accepted' AND l.role IN ('owner', 'operator')
  )) AS has_own_land
FROM member AS m
JOIN core.enterprise AS e ON e.enterprise_code = m.enterprise_code AND e.to_run IS NULL
LEFT JOIN derived.seat AS s ON s.enterprise_code = m.enterprise_code
ORDER BY m.enterprise_code
