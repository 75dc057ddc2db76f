-- The parcels on which the enterprises in scope have land of their own (存量用地): what they rent is none.
-- One row: one enterprise and parcel.
-- Read by pipeline.steps.form_units.
SELECT DISTINCT l.enterprise_code, l.parcel_code
FROM derived.link AS l
JOIN ops.scope AS o ON o.step = 'form_units' AND o.kind = 'member' AND o.key = l.enterprise_code
WHERE l.status = 'accepted' AND l.role IN ('owner', 'operator')
ORDER BY l.enterprise_code, l.parcel_code
