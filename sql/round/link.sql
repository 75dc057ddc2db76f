-- Links of the evaluated enterprises, with the land that each gives. One row: one enterprise, parcel and role.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
member AS (
  SELECT DISTINCT m.enterprise_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  WHERE m.enterprise_code <> ''
)
SELECT l.enterprise_code, l.parcel_code, l.role, coalesce(a.allocated_m2, 0) AS allocated_m2
FROM member AS m
JOIN derived.link AS l ON l.enterprise_code = m.enterprise_code AND l.status = 'accepted'
LEFT JOIN derived.allocation AS a
  ON a.enterprise_code = l.enterprise_code AND a.parcel_code = l.parcel_code AND a.role = l.role
ORDER BY l.enterprise_code, l.parcel_code, l.role
