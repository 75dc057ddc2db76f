-- Invariant 2: per parcel, allocated and unallocated area come to the reference area, to 0.01 m2.
-- One row: one parcel of which they do not, or that has no allocation at all.
SELECT p.parcel_code, p.reference_area_m2, sum(a.allocated_m2) AS allocated_m2
FROM core.parcel AS p
LEFT JOIN derived.allocation AS a ON a.parcel_code = p.parcel_code
WHERE p.to_run IS NULL
GROUP BY p.parcel_code, p.reference_area_m2
HAVING abs(p.reference_area_m2 - coalesce(sum(a.allocated_m2), -1)) > 0.01 OR min(a.allocated_m2) < 0
ORDER BY p.parcel_code
