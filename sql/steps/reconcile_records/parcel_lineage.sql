-- Parcels whose code or border changes in this run, and what takes their place, by overlap in both
-- directions. One row: one old and one new parcel that share at least lineage_min_share of either. A
-- parcel that keeps its code stands with itself where less than lineage_same_share of it stays. A parcel
-- that went in an earlier run without a successor may find one now: files do not come in one night.
-- Source: docs/sources.md, 4.2 (old numbers are never used again; new ones keep a lineage).
WITH args AS (
  SELECT
    CAST(:run_id AS integer) AS run_id,
    CAST(:as_of AS date) AS as_of,
    CAST(:lineage_min_share AS numeric) AS min_share,
    CAST(:lineage_full_share AS numeric) AS full_share,
    CAST(:lineage_same_share AS numeric) AS same_share
),
scope AS (
  SELECT s.key FROM ops.scope AS s WHERE s.step = 'reconcile_records' AND s.kind = 'parcel'
),
held AS (
  SELECT t.record_key AS key, t.row_hash
  FROM scope AS s
  JOIN core.parcel AS t ON t.record_key = s.key AND t.to_run IS NULL
),
live AS (
  SELECT l.key, l.row_hash, l.delivery_id
  FROM ops.live_row('parcel') AS l
  JOIN scope AS s ON s.key = l.key
  -- most nights nothing of this feed is new
  WHERE EXISTS (SELECT 1 FROM scope)
),
differing AS MATERIALIZED (
  SELECT
    coalesce(l.key, h.key) AS key, h.row_hash AS held_hash, l.row_hash AS live_hash, l.delivery_id
  FROM held AS h
  FULL JOIN live AS l ON l.key = h.key
  WHERE h.row_hash IS DISTINCT FROM l.row_hash
),
-- Records that keep their code but not their drawing.
redrawn AS MATERIALIZED (
  SELECT d.key
  FROM differing AS d
  JOIN core.parcel AS t ON t.record_key = d.key AND t.to_run IS NULL
  JOIN raw.parcel AS r ON r.row_hash = d.live_hash
  WHERE NOT t.geom = r.geom
),
old AS MATERIALIZED (
  SELECT d.key, d.live_hash IS NOT NULL AS is_kept
  FROM differing AS d
  WHERE d.held_hash IS NOT NULL AND (d.live_hash IS NULL OR d.key IN (SELECT c.key FROM redrawn AS c))
),
-- A first run has nothing that its records could come from.
new AS MATERIALIZED (
  SELECT d.key, d.held_hash IS NOT NULL AS is_kept, d.delivery_id, r.geom
  FROM differing AS d
  JOIN raw.parcel AS r ON r.row_hash = d.live_hash
  WHERE (d.held_hash IS NULL OR d.key IN (SELECT c.key FROM redrawn AS c))
    AND (EXISTS (SELECT 1 FROM old) OR EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.to_run IS NOT NULL))
),
-- The index of the records held finds the neighbours. Materialized: the overlap is used twice.
shared AS MATERIALIZED (
  SELECT
    t.parcel_code AS old_parcel_code, n.key AS new_parcel_code, o.is_kept AS old_stays, n.is_kept AS new_was, n.delivery_id,
    CAST(ST_Area(t.geom) AS numeric) AS old_area, CAST(ST_Area(n.geom) AS numeric) AS new_area,
    CAST(ST_Area(ST_Intersection(t.geom, n.geom)) AS numeric) AS area
  FROM new AS n
  JOIN core.parcel AS t ON t.to_run IS NULL AND ST_Intersects(t.geom, n.geom)
  JOIN old AS o ON o.key = t.record_key
  UNION ALL
  SELECT
    t.parcel_code, n.key, false, n.is_kept, n.delivery_id,
    CAST(ST_Area(t.geom) AS numeric), CAST(ST_Area(n.geom) AS numeric),
    CAST(ST_Area(ST_Intersection(t.geom, n.geom)) AS numeric)
  FROM new AS n
  JOIN core.parcel AS t ON t.to_run IS NOT NULL AND ST_Intersects(t.geom, n.geom)
  WHERE NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = t.parcel_code AND p.to_run IS NULL)
    AND NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = t.parcel_code AND p.to_run > t.to_run)
    AND NOT EXISTS (
      SELECT 1 FROM core.parcel_lineage AS g WHERE g.old_parcel_code = t.parcel_code AND g.run_id >= t.to_run)
    AND NOT EXISTS (SELECT 1 FROM differing AS d WHERE d.key = t.parcel_code AND d.live_hash IS NOT NULL)
),
pair AS (
  SELECT
    s.*,
    round(least(s.area / nullif(s.old_area, 0), 1), 6) AS old_share,
    round(least(s.area / nullif(s.new_area, 0), 1), 6) AS new_share
  FROM shared AS s
),
kept AS (
  SELECT
    p.*,
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
    WHEN k.old_stays AND k.new_was THEN 'adjusted'
    WHEN k.successors = 1 AND k.predecessors = 1
      AND least(k.old_share, k.new_share) >= args.full_share THEN 'renumbered'
    WHEN k.successors > 1 AND k.predecessors = 1 THEN 'split'
    WHEN k.successors = 1 AND k.predecessors > 1 THEN 'merged'
    ELSE 'related'
  END AS kind,
  k.old_share,
  k.new_share,
  args.as_of,
  k.delivery_id
FROM args
CROSS JOIN kept AS k
WHERE k.old_parcel_code <> k.new_parcel_code OR least(k.old_share, k.new_share) < args.same_share
