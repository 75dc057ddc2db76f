-- Units of the data year as they are issued: what rules see of each (as sql/steps/grade_units/evidence_unit.sql
-- has it), and the township in which most of its land lies. One row: one unit.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
land AS (
  SELECT m.unit_code, t.township_code, sum(m.area_m2) AS area
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  JOIN derived.parcel_township AS t ON t.parcel_code = m.parcel_code
  GROUP BY m.unit_code, t.township_code
),
place AS (
  SELECT l.unit_code, (array_agg(l.township_code ORDER BY l.area DESC, l.township_code))[1] AS township_code
  FROM land AS l
  GROUP BY l.unit_code
)
SELECT p.unit_code, p.township_code
FROM place AS p
ORDER BY p.unit_code
