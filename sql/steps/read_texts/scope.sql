-- Enterprises and parcels that changed, and names of holders and lessees that came or went. The names of
-- townships say how every address and name is read.
SELECT d.kind, d.key
FROM ops.dirty AS d
WHERE d.kind IN ('enterprise', 'parcel')
UNION
SELECT 'party', d.key
FROM ops.dirty AS d
WHERE d.kind = 'name'
UNION
SELECT 'enterprise', e.enterprise_code
FROM core.enterprise AS e
WHERE e.to_run IS NULL AND EXISTS (SELECT 1 FROM ops.dirty AS d WHERE d.kind = 'area')
UNION
SELECT 'parcel', p.parcel_code
FROM core.parcel AS p
WHERE p.to_run IS NULL AND EXISTS (SELECT 1 FROM ops.dirty AS d WHERE d.kind = 'area')
UNION
SELECT 'party', n.name_key
FROM derived.party_name AS n
WHERE EXISTS (SELECT 1 FROM ops.dirty AS d WHERE d.kind = 'area')
