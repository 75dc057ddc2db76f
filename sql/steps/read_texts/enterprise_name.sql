-- Present and earlier names of enterprises, to be taken apart. One row: one version.
SELECT e.enterprise_code, e.name, e.name_key, e.to_run IS NULL AS is_open
FROM core.enterprise AS e
JOIN ops.scope AS s ON s.step = 'read_texts' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
WHERE e.name_key IS NOT NULL AND EXISTS (
  SELECT 1 FROM core.enterprise AS o WHERE o.enterprise_code = e.enterprise_code AND o.to_run IS NULL)
