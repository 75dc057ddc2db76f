-- Removed parcels and the added ones that took their place in this run, by overlap in both
-- directions. One row: one old and one new parcel that share at least lineage_min_share of either.
-- Source: docs/sources.md, 4.2 (old numbers are never used again; new ones keep a lineage).
WITH args AS (
  SELECT
    CAST(:run_id AS integer) AS run_id,
    CAST(:lineage_min_share AS numeric) AS min_share,
    CAST(:lineage_full_share AS numeric) AS full_share
),
removed AS (
  SELECT p.parcel_code, p.geom, p.plane_area_m2
  FROM args
  JOIN core.parcel AS p ON p.to_run = args.run_id
  WHERE NOT EXISTS (
    SELECT 1 FROM core.parcel AS n WHERE n.parcel_code = p.parcel_code AND n.to_run IS NULL
  )
),
added AS (
  SELECT p.parcel_code, p.geom, p.plane_area_m2
  FROM args
  JOIN core.parcel AS p ON p.from_run = args.run_id AND p.to_run IS NULL
  WHERE NOT EXISTS (
    SELECT 1 FROM core.parcel AS o WHERE o.parcel_code = p.parcel_code AND o.to_run IS NOT NULL
  )
),
pair AS (
  SELECT
    o.parcel_code AS old_parcel_code,
    n.parcel_code AS new_parcel_code,
    round(least(CAST(ST_Area(ST_Intersection(o.geom, n.geom)) AS numeric) / nullif(o.plane_area_m2, 0), 1), 6)
      AS old_share,
    round(least(CAST(ST_Area(ST_Intersection(o.geom, n.geom)) AS numeric) / nullif(n.plane_area_m2, 0), 1), 6)
      AS new_share
  FROM removed AS o
  JOIN added AS n ON ST_Intersects(o.geom, n.geom)
),
kept AS (
  SELECT
    p.old_parcel_code,
    p.new_parcel_code,
    p.old_share,
    p.new_share,
    count(*) OVER (PARTITION BY p.old_parcel_code) AS successors,
    count(*) OVER (PARTITION BY p.new_parcel_code) AS predecessors
  FROM args
  JOIN pair AS p ON greatest(p.old_share, p.new_share) >= args.min_share
)
SELECT
  k.old_parcel_code,
  k.new_parcel_code,
  args.run_id,
  CASE
    WHEN k.successors = 1 AND k.predecessors = 1
      AND least(k.old_share, k.new_share) >= args.full_share THEN 'renumbered'
    WHEN k.successors > 1 AND k.predecessors = 1 THEN 'split'
    WHEN k.successors = 1 AND k.predecessors > 1 THEN 'merged'
    ELSE 'related'
  END AS kind,
  k.old_share,
  k.new_share
FROM args
CROSS JOIN kept AS k
