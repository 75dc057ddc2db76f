-- Township of each enterprise: the registry's, else the one that its address names, else the only one in
-- which its village or road lies. One row: one enterprise.
SELECT
  e.enterprise_code,
  coalesce(e.township_code, a.township_code, v.township_code, r.township_code, '') AS township_code,
  CASE
    WHEN e.township_code IS NOT NULL THEN 'registry'
    WHEN a.township_code IS NOT NULL THEN 'address'
    WHEN v.township_code IS NOT NULL THEN 'village'
    WHEN r.township_code IS NOT NULL THEN 'road'
    ELSE 'none'
  END AS source
FROM core.enterprise AS e
JOIN ops.scope AS s
  ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
LEFT JOIN derived.enterprise_address AS a ON a.enterprise_code = e.enterprise_code
LEFT JOIN derived.place AS v ON v.kind = 'village' AND v.name = a.village
LEFT JOIN derived.place AS r ON r.kind = 'road' AND r.name = a.road
WHERE e.to_run IS NULL
