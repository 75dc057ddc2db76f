-- The parcels in force on the land of a retired one, through all runs since. One row: one retired and one
-- open parcel, the share of the former that lies in the latter, and whether rows that name the retired
-- one count there (followed), are asked about (candidate), or count at another one (rest).
-- successor_share is the part of the latter that the former's land is.
-- Source: docs/sources.md, 4.2 (a code that vanished is followed through the lineage).
WITH RECURSIVE args AS (
  SELECT
    CAST(:lineage_follow_share AS numeric) AS follow_share,
    CAST(:lineage_full_share AS numeric) AS full_share
),
-- A code may come back and go again: its last going counts.
retired AS (
  SELECT
    p.parcel_code, max(p.to_run) AS run_id,
    (array_agg(p.plane_area_m2 ORDER BY p.to_run DESC))[1] AS plane_area_m2
  FROM ops.scope AS s
  JOIN core.parcel AS p ON p.parcel_code = s.key
  WHERE s.step = 'overlay_land' AND s.kind = 'retired'
  GROUP BY p.parcel_code
  HAVING bool_and(p.to_run IS NOT NULL)
),
walk AS (
  SELECT r.parcel_code, n.new_parcel_code AS reached_code, n.old_share AS share, n.run_id, 1 AS steps
  FROM retired AS r
  JOIN core.parcel_lineage AS n ON n.old_parcel_code = r.parcel_code AND n.run_id >= r.run_id
  UNION ALL
  SELECT w.parcel_code, n.new_parcel_code, w.share * n.old_share, n.run_id, w.steps + 1
  FROM walk AS w
  JOIN core.parcel_lineage AS n ON n.old_parcel_code = w.reached_code AND n.run_id > w.run_id
  WHERE NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = w.reached_code AND p.to_run IS NULL)
    AND n.run_id >= (SELECT max(p.to_run) FROM core.parcel AS p WHERE p.parcel_code = w.reached_code)
),
reached AS (
  SELECT
    w.parcel_code,
    w.reached_code AS successor_code,
    least(round(sum(w.share), 6), 1) AS share,
    min(w.steps) AS steps
  FROM walk AS w
  WHERE EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = w.reached_code AND p.to_run IS NULL)
  GROUP BY w.parcel_code, w.reached_code
),
heir AS (
  SELECT
    r.*,
    g.run_id AS retired_run,
    least(r.share * g.plane_area_m2 / nullif(p.plane_area_m2, 0), 1) AS successor_share,
    args.full_share,
    count(*) FILTER (WHERE r.share >= args.follow_share) OVER (PARTITION BY r.parcel_code) AS heirs,
    r.share >= args.follow_share AS is_heir
  FROM args
  CROSS JOIN reached AS r
  JOIN retired AS g ON g.parcel_code = r.parcel_code
  JOIN core.parcel AS p ON p.parcel_code = r.successor_code AND p.to_run IS NULL
)
SELECT
  h.parcel_code,
  h.successor_code,
  h.share,
  -- the same land under another code is all of it
  CASE WHEN h.successor_share >= h.full_share THEN 1 ELSE round(coalesce(h.successor_share, 0), 6) END
    AS successor_share,
  h.retired_run,
  h.steps,
  CASE
    WHEN h.heirs <> 1 THEN 'candidate'
    WHEN h.is_heir THEN 'followed'
    ELSE 'rest'
  END AS follow
FROM heir AS h
