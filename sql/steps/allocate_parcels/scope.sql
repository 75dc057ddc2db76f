-- Parcels that changed in themselves, their rights, leases or links; parcels of enterprises that
-- changed (their drawings and floors are evidence). With a retired parcel go its successors.
SELECT 'parcel' AS kind, d.key
FROM ops.dirty AS d
WHERE d.kind = 'parcel'
UNION
SELECT 'parcel', l.parcel_code
FROM ops.dirty AS d
JOIN derived.link AS l ON l.enterprise_code = d.key
WHERE d.kind = 'enterprise'
UNION
SELECT 'parcel', s.successor_code
FROM ops.dirty AS d
JOIN derived.parcel_successor AS s ON s.parcel_code = d.key
WHERE d.kind = 'parcel'
