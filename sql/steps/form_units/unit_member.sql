-- Which enterprise brings which land into which evaluation unit (docs/how-it-decides.md section 5).
-- One row: one member and parcel of a unit; enterprise_code '' holds a parcel's land that the
-- members use undivided. Source: docs/sources.md, FH 3; docs/sources.md, 1.3.
WITH RECURSIVE args AS (
  SELECT CAST(:data_year AS integer) AS year
),
share AS (
  SELECT a.enterprise_code, a.parcel_code, a.allocated_m2, a.is_undivided, e.size_class
  FROM derived.allocation AS a
  JOIN ops.scope AS s
    ON s.step = 'form_units' AND s.kind = 'component' AND s.key = a.enterprise_code
  JOIN core.enterprise AS e ON e.enterprise_code = a.enterprise_code AND e.to_run IS NULL
),
-- A 规上 enterprise with a divided share elsewhere stays a unit of its own, where others remain.
leaver AS (
  SELECT s.enterprise_code
  FROM share AS s
  WHERE s.size_class = 'ABOVE'
  GROUP BY s.enterprise_code
  HAVING sum(s.allocated_m2) > 0
),
undivided AS (
  SELECT
    s.enterprise_code,
    s.parcel_code,
    l.enterprise_code IS NOT NULL AS leaves,
    bool_and(l.enterprise_code IS NOT NULL) OVER (PARTITION BY s.parcel_code) AS all_leave
  FROM share AS s
  LEFT JOIN leaver AS l ON l.enterprise_code = s.enterprise_code
  WHERE s.is_undivided
),
edge AS (
  SELECT u.enterprise_code, u.parcel_code
  FROM undivided AS u
  WHERE NOT u.leaves OR u.all_leave
),
linked AS (
  SELECT e.enterprise_code, e.enterprise_code AS member
  FROM edge AS e
  UNION
  SELECT k.enterprise_code, b.enterprise_code
  FROM linked AS k
  JOIN edge AS a ON a.enterprise_code = k.member
  JOIN edge AS b ON b.parcel_code = a.parcel_code
),
component AS (
  SELECT k.enterprise_code, min(k.member) AS component
  FROM linked AS k
  GROUP BY k.enterprise_code
),
joined AS (
  SELECT
    c.component,
    min(e.parcel_code) AS first_parcel,
    count(DISTINCT e.parcel_code) AS parcels
  FROM component AS c
  JOIN edge AS e ON e.enterprise_code = c.enterprise_code
  GROUP BY c.component
),
placed AS (
  SELECT
    s.enterprise_code,
    coalesce(c.component, s.enterprise_code) AS component,
    CASE
      WHEN c.component IS NULL THEN 'E-' || s.enterprise_code
      WHEN j.parcels = 1 THEN 'P-' || j.first_parcel
      ELSE 'M-' || j.first_parcel
    END AS unit_code,
    s.parcel_code,
    s.allocated_m2,
    s.is_undivided
  FROM share AS s
  LEFT JOIN component AS c ON c.enterprise_code = s.enterprise_code
  LEFT JOIN joined AS j ON j.component = c.component
),
-- Land in transition: all that the enterprise has of the parcel, or as much as the matter is about.
new_land AS (
  SELECT
    t.enterprise_code,
    t.parcel_code,
    CASE WHEN bool_and(t.land_area_m2 > 0) THEN sum(t.land_area_m2) END AS area_m2
  FROM derived.transition AS t
  WHERE t.takes = 'land' AND t.is_in_force AND t.parcel_code IS NOT NULL
  GROUP BY t.enterprise_code, t.parcel_code
)
SELECT
  args.year, p.unit_code, p.enterprise_code, p.parcel_code, p.component, p.allocated_m2 AS area_m2,
  CASE
    WHEN n.parcel_code IS NULL THEN 0
    ELSE least(p.allocated_m2, coalesce(n.area_m2, p.allocated_m2))
  END AS deducted_m2
FROM args
CROSS JOIN placed AS p
LEFT JOIN new_land AS n ON n.enterprise_code = p.enterprise_code AND n.parcel_code = p.parcel_code
-- Who left the undivided land brings nothing of it.
WHERE NOT p.is_undivided OR (p.enterprise_code, p.parcel_code) IN (SELECT e.enterprise_code, e.parcel_code FROM edge AS e)
UNION ALL
SELECT DISTINCT args.year, p.unit_code, '', e.parcel_code, p.component, a.allocated_m2, CAST(0 AS numeric)
FROM args
CROSS JOIN edge AS e
JOIN placed AS p ON p.enterprise_code = e.enterprise_code AND p.parcel_code = e.parcel_code
JOIN derived.allocation AS a ON a.parcel_code = e.parcel_code AND a.enterprise_code = ''
