-- Locations of parcels, to be taken apart, and the township in which the survey says that they lie.
-- One row: one parcel.
SELECT p.parcel_code, p.location AS address, nullif(t.township_code, '') AS lies_in
FROM core.parcel AS p
JOIN ops.scope AS s ON s.step = 'read_texts' AND s.kind = 'parcel' AND s.key = p.parcel_code
LEFT JOIN derived.parcel_township AS t ON t.parcel_code = p.parcel_code
WHERE p.to_run IS NULL AND p.location IS NOT NULL
