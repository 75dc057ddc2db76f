-- Components whose units, or whose members' figures, may have changed; the tables that hang on everybody are
-- replaced whole.
SELECT 'component' AS kind, d.key
FROM ops.dirty AS d
WHERE d.kind = 'component'
UNION
SELECT 'component', m.component
FROM ops.dirty AS d
JOIN derived.unit_member AS m ON m.enterprise_code = d.key
WHERE d.kind = 'enterprise'
UNION
SELECT 'component', v.component
FROM ops.dirty AS d
JOIN derived.unit_value AS v ON v.component = d.key
WHERE d.kind = 'enterprise'
