-- Units whose members changed; the tables of this step are replaced whole.
SELECT DISTINCT 'unit' AS kind, u.unit_code AS key
FROM ops.dirty AS d
JOIN derived.unit AS u ON u.component = d.key
WHERE d.kind = 'component'
