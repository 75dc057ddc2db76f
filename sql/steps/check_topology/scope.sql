-- Patches, parcels and footprints whose shape a run changed, and what lies beside them, before or after:
-- patches that touch, parcels within the width of a gap, footprints on a parcel. The overlaps and gaps of
-- the survey follow from the borders of all its patches, so they are one key, the vintage.
WITH args AS (
  SELECT
    CAST(:run_id AS integer) AS run_id,
    CAST(:vintage AS integer) AS vintage,
    CAST(:is_full AS boolean) AS is_full,
    -- what fills a gap between two parcels lies within its width, and so does what lies in between
    2 * CAST(:parcel_gap_m AS double precision) AS reach
),
-- A dirty patch or parcel may have other reasons than its shape: only versions that this run
-- opened or closed with another shape than before count, and those that are taken back to show an earlier
-- state.
patch AS MATERIALIZED (
  SELECT t.patch_code, t.geom
  FROM args
  JOIN ops.dirty AS d ON d.kind = 'patch'
  JOIN core.patch AS t ON t.vintage = args.vintage AND t.patch_code = d.key
  WHERE args.is_full OR args.run_id IN (t.from_run, t.to_run) AND NOT EXISTS (
    SELECT 1
    FROM core.patch AS n
    WHERE n.patch_code = t.patch_code AND n.vintage = t.vintage AND n.from_run <> t.from_run
      AND args.run_id IN (n.from_run, n.to_run) AND n.geom = t.geom
  )
  UNION ALL
  SELECT s.key, s.geom FROM ops.dirty_shape AS s WHERE s.kind = 'patch'
),
parcel AS MATERIALIZED (
  SELECT p.parcel_code, p.geom
  FROM args
  JOIN ops.dirty AS d ON d.kind = 'parcel'
  JOIN core.parcel AS p ON p.parcel_code = d.key
  WHERE args.is_full OR args.run_id IN (p.from_run, p.to_run) AND NOT EXISTS (
    SELECT 1
    FROM core.parcel AS n
    WHERE n.parcel_code = p.parcel_code AND n.from_run <> p.from_run
      AND args.run_id IN (n.from_run, n.to_run) AND n.geom = p.geom
  )
  UNION ALL
  SELECT s.key, s.geom FROM ops.dirty_shape AS s WHERE s.kind = 'parcel'
),
footprint AS MATERIALIZED (
  SELECT f.footprint_code
  FROM args
  JOIN ops.dirty AS d ON d.kind = 'footprint'
  JOIN core.footprint AS f ON f.footprint_code = d.key
  WHERE args.is_full OR args.run_id IN (f.from_run, f.to_run) AND NOT EXISTS (
    SELECT 1
    FROM core.footprint AS n
    WHERE n.footprint_code = f.footprint_code AND n.from_run <> f.from_run
      AND args.run_id IN (n.from_run, n.to_run) AND n.geom = f.geom
  )
  UNION ALL
  SELECT s.key FROM ops.dirty_shape AS s WHERE s.kind = 'footprint'
),
-- A first or full run has every one already and need not look at the map.
clean AS MATERIALIZED (
  SELECT 'patch' AS kind, count(*) AS records
  FROM args
  JOIN core.patch AS t ON t.to_run IS NULL AND t.vintage = args.vintage
  WHERE t.patch_code NOT IN (SELECT c.patch_code FROM patch AS c)
  UNION ALL
  SELECT 'parcel', count(*)
  FROM core.parcel AS p
  WHERE p.to_run IS NULL AND p.parcel_code NOT IN (SELECT c.parcel_code FROM parcel AS c)
  UNION ALL
  SELECT 'footprint', count(*)
  FROM core.footprint AS f
  WHERE f.to_run IS NULL AND f.footprint_code NOT IN (SELECT c.footprint_code FROM footprint AS c)
)
SELECT 'patch' AS kind, c.patch_code AS key
FROM patch AS c
UNION
SELECT 'patch', n.patch_code
FROM args
CROSS JOIN patch AS c
JOIN core.patch AS n ON n.to_run IS NULL AND n.vintage = args.vintage AND n.geom && ST_Expand(c.geom, 0.001)
WHERE (SELECT k.records FROM clean AS k WHERE k.kind = 'patch') > 0
UNION
-- of another vintage
SELECT 'patch', b.patch_code
FROM args
JOIN derived.patch_border AS b ON args.is_full
UNION
SELECT 'vintage', CAST(args.vintage AS text)
FROM args
WHERE args.is_full OR EXISTS (SELECT 1 FROM patch)
UNION
SELECT 'vintage', CAST(t.vintage AS text)
FROM args
JOIN derived.patch_topology AS t ON args.is_full
UNION
SELECT 'parcel', c.parcel_code
FROM parcel AS c
UNION
SELECT 'parcel', n.parcel_code
FROM args
CROSS JOIN parcel AS c
JOIN core.parcel AS n ON n.to_run IS NULL AND n.geom && ST_Expand(c.geom, args.reach)
WHERE (SELECT k.records FROM clean AS k WHERE k.kind = 'parcel') > 0
UNION
SELECT 'footprint', c.footprint_code
FROM footprint AS c
UNION
SELECT 'footprint', f.footprint_code
FROM parcel AS c
JOIN core.footprint AS f ON f.to_run IS NULL AND f.geom && c.geom
WHERE (SELECT k.records FROM clean AS k WHERE k.kind = 'footprint') > 0
