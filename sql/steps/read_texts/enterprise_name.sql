-- Present and earlier names of enterprises, to be taken apart. An earlier name is one that a delivery in force
-- gave, whenever that was: it does not depend on which runs there were. One row: one enterprise and name.
SELECT e.enterprise_code, e.name, e.name_key, true AS is_open
FROM core.enterprise AS e
JOIN ops.scope AS s ON s.step = 'read_texts' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
WHERE e.to_run IS NULL AND e.name_key IS NOT NULL
UNION ALL
SELECT DISTINCT e.enterprise_code, r.name, r.name_key, false
FROM ops.delivery AS d
JOIN ops.delivered AS w ON w.delivery_id = d.delivery_id AND w.row_hash IS NOT NULL
JOIN ops.scope AS s ON s.step = 'read_texts' AND s.kind = 'enterprise' AND s.key = w.key
JOIN core.enterprise AS e ON e.enterprise_code = w.key AND e.to_run IS NULL
JOIN raw.enterprise AS r ON r.row_hash = w.row_hash
WHERE d.feed = 'enterprise' AND d.state IN ('loaded', 'consumed')
  AND r.name_key IS NOT NULL AND r.name_key IS DISTINCT FROM e.name_key
ORDER BY enterprise_code, is_open DESC, name_key, name
