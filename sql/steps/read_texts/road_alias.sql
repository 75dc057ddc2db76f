-- Roads of the enterprises' addresses, and whether a parcel lies on them (pipeline.steps.read_texts).
-- One row: one road.
SELECT r.road, bool_or(r.has_parcel) AS has_parcel
FROM (
  SELECT p.road, true AS has_parcel FROM derived.parcel_address AS p
  UNION
  SELECT a.road, false FROM derived.enterprise_address AS a
) AS r
WHERE r.road IS NOT NULL
GROUP BY r.road
ORDER BY r.road
