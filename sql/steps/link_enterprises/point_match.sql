-- The parcels in which the point of an enterprise lies, or beside which, as far as it may be off; where there is
-- none, the nearest ones around. One row: one enterprise and parcel, the nearest first. is_tied: the next parcel
-- is not much farther away. is_beside: it is farther than the point may be off.
-- passes: no parcel has the number of the address, but its road passes here, and the parcel, if it lies on that
-- road, has the next lower number on its side.
WITH args AS (
  SELECT
    CAST(:review_candidates AS integer) AS review_candidates,
    CAST(:point_reach_m AS double precision) AS point_reach,
    CAST(:point_search_m AS double precision) AS point_search,
    CAST(:point_gap_m AS double precision) AS point_gap,
    CAST(:road_reach_m AS double precision) AS road_reach
),
enterprise AS (
  SELECT e.address_key, e.geom, a.*
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  JOIN derived.address_in_place AS a ON a.enterprise_code = e.enterprise_code
  WHERE e.to_run IS NULL AND e.status = 'operating'
),
near AS (
  SELECT
    e.enterprise_code, n.parcel_code, n.distance_m,
    row_number() OVER by_distance AS place,
    lead(n.distance_m) OVER by_distance AS next_m
  FROM args
  CROSS JOIN enterprise AS e
  JOIN LATERAL (
    SELECT p.parcel_code, ST_Distance(p.geom, e.geom) AS distance_m
    FROM core.parcel AS p
    WHERE p.to_run IS NULL AND ST_DWithin(p.geom, e.geom, greatest(args.point_reach, args.point_search))
    ORDER BY ST_Distance(p.geom, e.geom), p.parcel_code
    LIMIT args.review_candidates + 1
  ) AS n ON true
  WHERE e.geom IS NOT NULL
  WINDOW by_distance AS (PARTITION BY e.enterprise_code ORDER BY n.distance_m, n.parcel_code)
),
-- Of those whose address no parcel has: the nearest parcel.
nearest AS (
  SELECT e.enterprise_code, n.parcel_code, e.road, e.village, e.township_code, e.number, e.geom
  FROM args
  CROSS JOIN near AS n
  JOIN enterprise AS e ON e.enterprise_code = n.enterprise_code AND e.number IS NOT NULL AND e.road IS NOT NULL
  LEFT JOIN derived.address_match AS m ON m.enterprise_code = n.enterprise_code AND m.reason = 'address_equal'
  WHERE n.place = 1 AND n.distance_m <= args.point_reach AND m.enterprise_code IS NULL
),
same_road AS (
  SELECT n.*, a.parcel_code AS other_code, a.number AS other_number, a.number_to AS other_to, a.village AS other_village
  FROM nearest AS n
  JOIN derived.parcel_address AS a ON a.road = n.road AND a.village = n.village
  WHERE a.township_code IS NULL OR n.township_code IN ('', a.township_code)
  UNION ALL
  SELECT n.*, a.parcel_code, a.number, a.number_to, a.village
  FROM nearest AS n
  JOIN derived.parcel_address AS a ON a.road = n.road AND a.township_code = n.township_code
  WHERE a.village IS NULL OR n.village IS NULL
  UNION ALL
  SELECT n.*, a.parcel_code, a.number, a.number_to, a.village
  FROM nearest AS n
  JOIN derived.parcel_address AS a ON a.road = n.road
  WHERE n.township_code = '' AND (a.village IS NULL OR n.village IS NULL)
  UNION ALL
  SELECT n.*, a.parcel_code, a.number, a.number_to, a.village
  FROM nearest AS n
  JOIN derived.parcel_address AS a ON a.road = n.road AND a.township_code IS NULL
  WHERE n.township_code <> '' AND (a.village IS NULL OR n.village IS NULL)
),
own AS (
  SELECT
    r.*,
    max(r.other_number) FILTER (WHERE r.other_code = r.parcel_code) OVER mine AS own_number,
    max(r.other_to) FILTER (WHERE r.other_code = r.parcel_code) OVER mine AS own_to,
    coalesce(max(r.other_village) FILTER (WHERE r.other_code = r.parcel_code) OVER mine, '') AS own_village
  FROM same_road AS r
  WINDOW mine AS (PARTITION BY r.enterprise_code)
),
passing AS (
  SELECT o.enterprise_code, o.parcel_code
  FROM args
  CROSS JOIN own AS o
  JOIN core.parcel AS p ON p.to_run IS NULL AND p.parcel_code = o.other_code
  GROUP BY o.enterprise_code, o.parcel_code
  HAVING bool_or(ST_DWithin(p.geom, o.geom, args.road_reach))
    AND bool_and(o.own_number IS NULL OR (o.own_number <= o.number AND (o.number - o.own_number) % 2 = 0))
    AND NOT coalesce(bool_or(
      o.other_number > o.own_to AND o.other_number <= o.number AND (o.number - o.other_number) % 2 = 0
      AND coalesce(o.other_village, '') = o.own_village
    ), false)
)
SELECT
  n.enterprise_code, n.parcel_code, CAST(n.place AS integer) AS place,
  round(CAST(n.distance_m AS numeric), 4) AS distance_m,
  coalesce(n.place = 1 AND n.next_m - n.distance_m < args.point_gap, false) AS is_tied,
  n.distance_m > args.point_reach AS is_beside,
  p.enterprise_code IS NOT NULL AS passes
FROM args
CROSS JOIN near AS n
LEFT JOIN passing AS p ON p.enterprise_code = n.enterprise_code AND p.parcel_code = n.parcel_code
JOIN near AS f ON f.enterprise_code = n.enterprise_code AND f.place = 1
WHERE n.distance_m = 0 OR (
  n.place <= args.review_candidates
  -- where one lies within reach, those farther away say nothing
  AND (n.distance_m <= args.point_reach OR f.distance_m > args.point_reach)
)
