-- Enterprises that changed, and those that share a name, certificate, address, parcel, right, lease
-- or drawing with anything that changed, before or after.
WITH changed AS (
  SELECT d.kind, d.key FROM ops.dirty AS d
),
-- With a parcel go its successors where it is retired, and the retired codes that lead to it.
dirty AS (
  SELECT c.kind, c.key
  FROM changed AS c
  UNION
  SELECT c.kind, s.successor_code
  FROM changed AS c
  JOIN derived.parcel_successor AS s ON s.parcel_code = c.key
  WHERE c.kind = 'parcel'
  UNION
  SELECT c.kind, o.parcel_code
  FROM changed AS c
  JOIN derived.parcel_successor AS s ON s.parcel_code = c.key
  JOIN derived.parcel_successor AS o ON o.successor_code = s.successor_code
  WHERE c.kind = 'parcel'
  UNION
  SELECT c.kind, o.parcel_code
  FROM changed AS c
  JOIN derived.parcel_successor AS o ON o.successor_code = c.key
  WHERE c.kind = 'parcel'
),
-- Names, credit codes and certificates of rights and leases on parcels that changed.
evidence AS (
  SELECT r.holder_code AS credit_code, r.holder_name_key AS name_key, r.certificate_key
  FROM dirty AS d
  JOIN core."right" AS r ON r.parcel_code = d.key AND r.to_run IS NULL
  WHERE d.kind = 'parcel'
  UNION
  SELECT l.lessee_code, l.lessee_name_key, NULL
  FROM dirty AS d
  JOIN core.lease AS l ON l.parcel_code = d.key AND l.to_run IS NULL
  WHERE d.kind = 'parcel'
),
-- Versions of changed parcels; whose drawings and points lie near them is looked at again.
place AS (
  SELECT p.geom
  FROM dirty AS d
  JOIN core.parcel AS p ON p.parcel_code = d.key
  WHERE d.kind = 'parcel'
)
SELECT 'enterprise' AS kind, d.key
FROM dirty AS d
WHERE d.kind = 'enterprise'
UNION
SELECT 'enterprise', e.enterprise_code
FROM dirty AS d
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.name_key = d.key
WHERE d.kind = 'name'
UNION
SELECT 'enterprise', e.enterprise_code
FROM dirty AS d
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.credit_code = d.key
WHERE d.kind = 'credit'
UNION
SELECT 'enterprise', e.enterprise_code
FROM dirty AS d
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.certificate_key = d.key
WHERE d.kind = 'certificate'
UNION
SELECT 'enterprise', e.enterprise_code
FROM dirty AS d
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.address_key = d.key
WHERE d.kind = 'address'
UNION
SELECT 'enterprise', e.enterprise_code
FROM dirty AS d
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.parcel_code = d.key
WHERE d.kind = 'parcel'
UNION
SELECT 'enterprise', c.enterprise_code
FROM dirty AS d
JOIN derived.link_candidate AS c ON c.parcel_code = d.key
WHERE d.kind = 'parcel'
UNION
SELECT 'enterprise', c.enterprise_code
FROM dirty AS d
JOIN derived.link AS c ON c.parcel_code = d.key
WHERE d.kind = 'parcel'
UNION
SELECT 'enterprise', e.enterprise_code
FROM evidence AS v
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.credit_code = v.credit_code
UNION
SELECT 'enterprise', e.enterprise_code
FROM evidence AS v
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.name_key = v.name_key
UNION
SELECT 'enterprise', e.enterprise_code
FROM evidence AS v
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.certificate_key = v.certificate_key
UNION
SELECT 'enterprise', f.enterprise_code
FROM place AS p
JOIN core.footprint AS f ON f.to_run IS NULL AND f.enterprise_code IS NOT NULL AND f.geom && p.geom
UNION
SELECT 'enterprise', e.enterprise_code
FROM place AS p
JOIN core.enterprise AS e ON e.to_run IS NULL AND e.geom && p.geom
UNION
-- The township that an address names depends on the townships' names.
SELECT 'enterprise', e.enterprise_code
FROM core.enterprise AS e
WHERE e.to_run IS NULL AND EXISTS (SELECT 1 FROM dirty AS d WHERE d.kind = 'area')
UNION
-- A decision may name a parcel before it is delivered.
SELECT 'enterprise', n.enterprise_code
FROM dirty AS d
JOIN core.current_decision AS n ON n.parcel_code = d.key
WHERE d.kind = 'parcel'
