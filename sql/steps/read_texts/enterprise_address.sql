-- Addresses of enterprises, to be taken apart (pipeline.steps.read_texts). One row: one enterprise.
SELECT e.enterprise_code, e.address
FROM core.enterprise AS e
JOIN ops.scope AS s ON s.step = 'read_texts' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
WHERE e.to_run IS NULL AND e.address IS NOT NULL
