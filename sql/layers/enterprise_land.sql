-- Layer 企业用地. One row: one enterprise on one parcel by accepted links. Land drawn for the
-- enterprise is shown as drawn, else the whole parcel stands for its share.
WITH pair AS (
  SELECT a.enterprise_code, a.parcel_code, a.role, a.method, a.share, a.allocated_m2
  FROM derived.allocation AS a
  JOIN ops.scope AS s
    ON s.step = 'publish_layers' AND s.kind = 'parcel' AND s.key = a.parcel_code
  WHERE a.enterprise_code <> ''
)
SELECT
  a.enterprise_code,
  e.name AS enterprise_name,
  a.parcel_code,
  a.role,
  l.reason,
  CAST(l.score AS double precision) AS link_score,
  CAST(round(a.share, 6) AS double precision) AS share,
  CAST(round(a.allocated_m2, 2) AS double precision) AS allocated_m2,
  CAST(round(a.allocated_m2 * 3 / 2000, 4) AS double precision) AS allocated_mu,
  a.method,
  CASE WHEN drawn.geom IS NULL THEN 'parcel' ELSE 'drawn' END AS geometry_kind,
  t.township_code,
  coalesce(drawn.geom, p.geom) AS geom
FROM pair AS a
JOIN core.enterprise AS e ON e.enterprise_code = a.enterprise_code AND e.to_run IS NULL
JOIN core.parcel AS p ON p.parcel_code = a.parcel_code AND p.to_run IS NULL
JOIN derived.parcel_township AS t ON t.parcel_code = a.parcel_code
JOIN derived.link AS l
  ON l.enterprise_code = a.enterprise_code AND l.parcel_code = a.parcel_code AND l.role = a.role
LEFT JOIN LATERAL (
  SELECT ST_Multi(ST_Union(ST_CollectionExtract(ST_Intersection(p.geom, f.geom), 3) ORDER BY f.footprint_code)) AS geom
  FROM core.footprint AS f
  WHERE f.to_run IS NULL AND f.kind = 'land' AND f.enterprise_code = a.enterprise_code
    AND ST_Intersects(p.geom, f.geom) AND ST_Dimension(ST_Intersection(p.geom, f.geom)) = 2
) AS drawn ON true
