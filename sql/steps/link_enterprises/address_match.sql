-- Parcels that the address of an enterprise means, or may mean. One row: one enterprise and parcel.
-- address_equal: the same road and number, or the same words; address_road: on the road of the address, where
-- no parcel has its number; address_park: in the park that the address names.
WITH args AS (
  SELECT CAST(:review_candidates AS integer) AS review_candidates
),
enterprise AS (
  SELECT e.address_key, e.geom, a.*
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  JOIN derived.address_in_place AS a ON a.enterprise_code = e.enterprise_code
  WHERE e.to_run IS NULL AND e.status = 'operating'
),
-- What village and township say must not differ; each branch has an index of its own.
numbered AS (
  SELECT e.enterprise_code, a.parcel_code, a.sub_number, e.sub_number AS own_sub_number
  FROM enterprise AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.village = e.village AND a.number = e.number
  WHERE a.township_code IS NULL OR e.township_code IN ('', a.township_code)
  UNION ALL
  SELECT e.enterprise_code, a.parcel_code, a.sub_number, e.sub_number
  FROM enterprise AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.township_code = e.township_code AND a.number = e.number
  WHERE a.village IS NULL OR e.village IS NULL
  UNION ALL
  SELECT e.enterprise_code, a.parcel_code, a.sub_number, e.sub_number
  FROM enterprise AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.number = e.number
  WHERE e.township_code = '' AND (a.village IS NULL OR e.village IS NULL)
  UNION ALL
  SELECT e.enterprise_code, a.parcel_code, a.sub_number, e.sub_number
  FROM enterprise AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.number = e.number AND a.township_code IS NULL
  WHERE e.township_code <> '' AND (a.village IS NULL OR e.village IS NULL)
  UNION ALL
  -- One of the two is a range of numbers.
  SELECT e.enterprise_code, a.parcel_code, a.sub_number, e.sub_number
  FROM enterprise AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.number_to > a.number
    AND a.number <= e.number_to AND a.number_to >= e.number
  WHERE (a.village IS NULL OR e.village IS NULL OR a.village = e.village)
    AND (a.township_code IS NULL OR e.township_code IN ('', a.township_code))
  UNION ALL
  SELECT e.enterprise_code, a.parcel_code, a.sub_number, e.sub_number
  FROM enterprise AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.number > e.number AND a.number <= e.number_to
  WHERE e.number_to > e.number AND (a.village IS NULL OR e.village IS NULL OR a.village = e.village)
    AND (a.township_code IS NULL OR e.township_code IN ('', a.township_code))
),
equal AS (
  SELECT e.enterprise_code, p.parcel_code
  FROM enterprise AS e
  JOIN core.parcel AS p ON p.to_run IS NULL AND p.address_key = e.address_key
  UNION
  SELECT n.enterprise_code, n.parcel_code
  FROM numbered AS n
  WHERE n.sub_number IS NOT DISTINCT FROM n.own_sub_number
),
unmatched AS (
  SELECT e.*
  FROM enterprise AS e
  LEFT JOIN (SELECT DISTINCT q.enterprise_code FROM equal AS q) AS q ON q.enterprise_code = e.enterprise_code
  WHERE q.enterprise_code IS NULL
),
same_road AS (
  SELECT e.enterprise_code, a.parcel_code, abs(a.number - e.number) AS off, e.geom
  FROM unmatched AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.village = e.village
  WHERE a.township_code IS NULL OR e.township_code IN ('', a.township_code)
  UNION ALL
  SELECT e.enterprise_code, a.parcel_code, abs(a.number - e.number), e.geom
  FROM unmatched AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.township_code = e.township_code
  WHERE a.village IS NULL OR e.village IS NULL
  UNION ALL
  SELECT e.enterprise_code, a.parcel_code, abs(a.number - e.number), e.geom
  FROM unmatched AS e
  JOIN derived.parcel_address AS a ON a.road = e.road
  WHERE e.township_code = '' AND (a.village IS NULL OR e.village IS NULL)
  UNION ALL
  SELECT e.enterprise_code, a.parcel_code, abs(a.number - e.number), e.geom
  FROM unmatched AS e
  JOIN derived.parcel_address AS a ON a.road = e.road AND a.township_code IS NULL
  WHERE e.township_code <> '' AND (a.village IS NULL OR e.village IS NULL)
),
on_road AS (
  SELECT
    r.enterprise_code, r.parcel_code,
    row_number() OVER (
      PARTITION BY r.enterprise_code ORDER BY ST_Distance(p.geom, r.geom), r.off, r.parcel_code
    ) AS place
  FROM same_road AS r
  JOIN core.parcel AS p ON p.to_run IS NULL AND p.parcel_code = r.parcel_code
),
in_park AS (
  SELECT e.enterprise_code, a.parcel_code, count(*) OVER (PARTITION BY e.enterprise_code) AS parcels
  FROM unmatched AS e
  JOIN derived.parcel_address AS a ON a.park = e.park
  WHERE a.township_code IS NULL OR e.township_code IN ('', a.township_code)
)
SELECT q.enterprise_code, q.parcel_code, 'address_equal' AS reason
FROM equal AS q
UNION ALL
SELECT r.enterprise_code, r.parcel_code, 'address_road'
FROM args
JOIN on_road AS r ON r.place <= args.review_candidates
UNION ALL
SELECT k.enterprise_code, k.parcel_code, 'address_park'
FROM args
JOIN in_park AS k ON k.parcels <= args.review_candidates
LEFT JOIN on_road AS r
  ON r.enterprise_code = k.enterprise_code AND r.parcel_code = k.parcel_code AND r.place <= args.review_candidates
WHERE r.parcel_code IS NULL
