-- Villages and roads that lie in one township, learned from the addresses that name both: they tell the
-- township of an address that names none. One row: one village or road.
WITH args AS (
  SELECT CAST(:place_min_records AS bigint) AS min_records, CAST(:place_min_share AS numeric) AS min_share
),
address AS (
  SELECT a.village, a.road, coalesce(e.township_code, a.township_code) AS township_code
  FROM derived.enterprise_address AS a
  JOIN core.enterprise AS e ON e.enterprise_code = a.enterprise_code AND e.to_run IS NULL
  UNION ALL
  SELECT a.village, a.road, a.township_code
  FROM derived.parcel_address AS a
),
counted AS (
  SELECT n.kind, n.name, a.township_code, count(*) AS records
  FROM address AS a
  CROSS JOIN LATERAL (VALUES ('village', a.village), ('road', a.road)) AS n (kind, name)
  WHERE a.township_code IS NOT NULL AND n.name IS NOT NULL
  GROUP BY n.kind, n.name, a.township_code
),
ranked AS (
  SELECT
    c.kind, c.name, c.township_code, c.records,
    sum(c.records) OVER (PARTITION BY c.kind, c.name) AS total,
    row_number() OVER (PARTITION BY c.kind, c.name ORDER BY c.records DESC, c.township_code) AS place
  FROM counted AS c
)
SELECT
  r.kind, r.name, r.township_code, CAST(r.records AS integer) AS records, round(r.records / r.total, 4) AS share
FROM args
JOIN ranked AS r ON r.place = 1 AND r.records >= args.min_records AND r.records >= args.min_share * r.total
