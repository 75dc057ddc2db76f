-- Layer 评价单元. One row: one unit of the data year with the parcels on which it has land.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
unit AS (
  SELECT u.*
  FROM args
  JOIN derived.unit AS u ON u.year = args.year
  JOIN ops.scope AS s
    ON s.step = 'publish_layers' AND s.kind = 'component' AND s.key = u.component
),
land AS (
  SELECT m.unit_code, m.parcel_code, sum(m.area_m2) AS area
  FROM args
  CROSS JOIN unit AS u
  JOIN derived.unit_member AS m ON m.year = args.year AND m.unit_code = u.unit_code
  GROUP BY m.unit_code, m.parcel_code
),
place AS (
  SELECT
    l.unit_code,
    (array_agg(t.township_code ORDER BY l.area DESC, l.parcel_code))[1] AS township_code,
    ST_Multi(ST_Union(p.geom ORDER BY l.parcel_code)) AS geom
  FROM land AS l
  JOIN core.parcel AS p ON p.parcel_code = l.parcel_code AND p.to_run IS NULL
  JOIN derived.parcel_township AS t ON t.parcel_code = l.parcel_code
  GROUP BY l.unit_code
),
named AS (
  SELECT m.unit_code, string_agg(DISTINCT e.name, '、' ORDER BY e.name) AS name
  FROM args
  CROSS JOIN unit AS u
  JOIN derived.unit_member AS m ON m.year = args.year AND m.unit_code = u.unit_code
  JOIN core.enterprise AS e ON e.enterprise_code = m.enterprise_code AND e.to_run IS NULL
  GROUP BY m.unit_code
)
SELECT
  u.unit_code,
  u.component,
  n.name,
  u.kind,
  u.kind_reason,
  u.eval_category,
  u.eval_state,
  u.state_reason,
  u.member_count,
  u.parcel_count,
  CAST(round(u.eval_area_m2, 2) AS double precision) AS eval_area_m2,
  CAST(round(u.eval_area_m2 * 3 / 2000, 4) AS double precision) AS eval_area_mu,
  CAST(g.score AS double precision) AS score,
  g.grade,
  g.source AS grade_source,
  g.initial_grade,
  g.adjusted_grade,
  g.official_grade,
  g.decided_grade,
  i.grade AS issued_grade,
  p.township_code,
  p.geom
FROM args
CROSS JOIN unit AS u
JOIN named AS n ON n.unit_code = u.unit_code
JOIN place AS p ON p.unit_code = u.unit_code
LEFT JOIN derived.grade AS g ON g.year = args.year AND g.unit_code = u.unit_code
LEFT JOIN core.current_issued_unit AS i ON i.year = args.year AND i.unit_code = u.unit_code
