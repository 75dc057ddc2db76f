-- Parcels that changed in themselves, their rights, leases or links; parcels of enterprises that
-- changed (their drawings and floors are evidence).
SELECT 'parcel' AS kind, d.key
FROM ops.dirty AS d
WHERE d.kind = 'parcel'
UNION
SELECT 'parcel', l.parcel_code
FROM ops.dirty AS d
JOIN derived.link AS l ON l.enterprise_code = d.key
WHERE d.kind = 'enterprise'
