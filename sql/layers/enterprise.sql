-- Layer 企业. One row: one enterprise; its point lies inside its main parcel, on its drawn land
-- where there is some; no point where it has no place.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
enterprise AS (
  SELECT e.enterprise_code, e.name, e.industry_code, e.size_class, e.address
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'publish_layers' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  WHERE e.to_run IS NULL
),
land AS (
  SELECT a.enterprise_code, sum(a.allocated_m2) AS area, count(*) AS parcels
  FROM enterprise AS e
  JOIN derived.allocation AS a ON a.enterprise_code = e.enterprise_code
  GROUP BY a.enterprise_code
),
unit AS (
  SELECT DISTINCT m.enterprise_code, m.unit_code, g.score, g.grade
  FROM args
  CROSS JOIN enterprise AS e
  JOIN derived.unit_member AS m ON m.enterprise_code = e.enterprise_code AND m.year = args.year
  LEFT JOIN derived.grade AS g ON g.year = m.year AND g.unit_code = m.unit_code
)
SELECT
  e.enterprise_code,
  e.name,
  e.industry_code,
  e.size_class,
  t.seat_state,
  t.reason AS seat_reason,
  t.parcel_code,
  CAST(coalesce(l.parcels, 0) AS integer) AS parcel_count,
  CAST(round(coalesce(l.area, 0), 2) AS double precision) AS land_area_m2,
  CAST(round(coalesce(l.area, 0) * 3 / 2000, 4) AS double precision) AS land_area_mu,
  u.unit_code,
  CAST(u.score AS double precision) AS score,
  u.grade,
  t.township_code,
  e.address,
  coalesce(ST_PointOnSurface(drawn.geom), ST_PointOnSurface(p.geom)) AS geom
FROM enterprise AS e
JOIN derived.seat AS t ON t.enterprise_code = e.enterprise_code
LEFT JOIN core.parcel AS p ON p.parcel_code = t.parcel_code AND p.to_run IS NULL
LEFT JOIN LATERAL (
  SELECT ST_CollectionExtract(ST_Intersection(p.geom, f.geom), 3) AS geom
  FROM core.footprint AS f
  WHERE f.to_run IS NULL AND f.enterprise_code = e.enterprise_code AND ST_Intersects(p.geom, f.geom)
    AND ST_Dimension(ST_Intersection(p.geom, f.geom)) = 2
  ORDER BY f.plane_area_m2 DESC, f.footprint_code
  LIMIT 1
) AS drawn ON true
LEFT JOIN land AS l ON l.enterprise_code = e.enterprise_code
LEFT JOIN unit AS u ON u.enterprise_code = e.enterprise_code
