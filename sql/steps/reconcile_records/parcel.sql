-- Cadastral parcels 宗地; the reference area is the registered one, else the plane area.
-- One row: the record in force for one key, values as corrected. A correction holds while the
-- delivered value equals the expected one (docs/sources.md, Design 3); that of a retired parcel goes over
-- to the one that holds lineage_follow_share of its land, and little else.
WITH RECURSIVE args AS (
  SELECT CAST(:as_of AS date) AS as_of, CAST(:lineage_follow_share AS numeric) AS follow_share
),
every AS MATERIALIZED (
  SELECT l.key, l.row_hash, l.delivery_id, l.row_number
  FROM ops.live_row('parcel') AS l
),
live AS (
  SELECT l.key, l.row_hash, l.delivery_id, l.row_number
  FROM every AS l
  JOIN ops.scope AS s ON s.step = 'reconcile_records' AND s.kind = 'parcel' AND s.key = l.key
),
-- Each parcel in scope, and the retired ones whose land it holds.
former AS (
  SELECT l.key, l.key COLLATE "C" AS parcel_code, CAST(1 AS numeric) AS share, CAST(NULL AS integer) AS run_id
  FROM live AS l
  UNION ALL
  SELECT f.key, n.old_parcel_code, f.share * n.old_share, n.run_id
  FROM args
  CROSS JOIN former AS f
  JOIN core.parcel_lineage AS n ON n.new_parcel_code = f.parcel_code AND n.old_parcel_code <> n.new_parcel_code
    AND (f.run_id IS NULL OR n.run_id < f.run_id)
  -- what was said of a part is not said of the whole
  WHERE f.share * n.old_share >= args.follow_share AND n.new_share >= args.follow_share
    AND NOT EXISTS (SELECT 1 FROM every AS e WHERE e.key = n.old_parcel_code)
),
correction AS (
  SELECT
    l.key,
    array_agg(c.correction_id ORDER BY c.correction_id) AS ids,
    jsonb_object_agg(c.field, c.new_value ORDER BY c.correction_id) AS new_values
  FROM args
  CROSS JOIN live AS l
  JOIN former AS f ON f.key = l.key
  JOIN core.usable_correction AS c ON c.feed = 'parcel' AND c.key = f.parcel_code
  JOIN raw.parcel AS r ON r.row_hash = l.row_hash
  WHERE (c.valid_until IS NULL OR args.as_of < c.valid_until)
    AND to_jsonb(r) ->> c.field IS NOT DISTINCT FROM c.expected_value
  GROUP BY l.key
)
SELECT
  e.parcel_code,
  e.unit_code,
  e.land_use_code,
  e.location,
  e.address_key,
  e.official_area_m2,
  e.geom,
  round(CAST(ST_Area(e.geom) AS numeric), 4) AS plane_area_m2,
  round(coalesce(e.official_area_m2, CAST(ST_Area(e.geom) AS numeric)), 4) AS reference_area_m2,
  CASE WHEN e.official_area_m2 IS NULL THEN 'plane' ELSE 'official' END AS reference_area,
  l.key AS record_key,
  l.row_hash,
  l.delivery_id,
  l.row_number,
  coalesce(c.ids, CAST(ARRAY[] AS bigint[])) AS correction_ids
FROM live AS l
JOIN raw.parcel AS r ON r.row_hash = l.row_hash
LEFT JOIN correction AS c ON c.key = l.key
CROSS JOIN LATERAL jsonb_populate_record(r, coalesce(c.new_values, '{}')) AS e
