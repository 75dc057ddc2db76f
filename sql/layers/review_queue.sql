-- What a person is asked: links that wait for a decision. One row: one enterprise, parcel and role.
SELECT
  l.enterprise_code,
  e.name AS enterprise_name,
  l.parcel_code,
  l.role,
  l.stage,
  l.reason,
  l.named_code,
  CAST(l.score AS double precision) AS score,
  CAST(l.runner_up_score AS double precision) AS runner_up_score,
  e.address,
  p.location,
  t.township_code,
  ST_AsHEXEWKB(p.geom) AS geom
FROM derived.link AS l
JOIN ops.scope AS s
  ON s.step = 'publish_layers' AND s.kind = 'enterprise' AND s.key = l.enterprise_code
JOIN core.enterprise AS e ON e.enterprise_code = l.enterprise_code AND e.to_run IS NULL
JOIN core.parcel AS p ON p.parcel_code = l.parcel_code AND p.to_run IS NULL
JOIN derived.parcel_township AS t ON t.parcel_code = l.parcel_code
WHERE l.status = 'review'
ORDER BY l.enterprise_code, l.parcel_code, l.role
