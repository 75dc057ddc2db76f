-- Buildings and drawn land 建筑物与用地范围. One that names no enterprise is that of the one whose place it
-- took unaltered.
-- One row: the record in force for one key, values as corrected. A correction holds while the
-- delivered value equals the expected one (docs/sources.md, Design 3).
WITH args AS (
  SELECT CAST(:as_of AS date) AS as_of
),
live AS (
  SELECT l.key, l.row_hash, l.delivery_id, l.row_number
  FROM ops.live_row('footprint') AS l
  JOIN ops.scope AS s ON s.step = 'reconcile_records' AND s.kind = 'footprint' AND s.key = l.key
),
correction AS (
  SELECT
    l.key,
    array_agg(c.correction_id ORDER BY c.correction_id) AS ids,
    jsonb_object_agg(c.field, c.new_value ORDER BY c.correction_id) AS new_values
  FROM args
  CROSS JOIN live AS l
  JOIN core.usable_correction AS c ON c.feed = 'footprint' AND c.key = l.key
  JOIN raw.footprint AS r ON r.row_hash = l.row_hash
  WHERE (c.valid_until IS NULL OR args.as_of < c.valid_until)
    AND to_jsonb(r) ->> c.field IS NOT DISTINCT FROM c.expected_value
  GROUP BY l.key
),
former AS (
  SELECT DISTINCT ON (l.key) l.key, o.enterprise_code
  FROM live AS l
  JOIN core.footprint_lineage AS n ON n.new_footprint_code = l.key AND n.kind = 'matched'
  -- closed by the run that matched them; in that run itself still open
  JOIN core.footprint AS o
    ON o.footprint_code = n.old_footprint_code AND (o.to_run = n.run_id OR o.to_run IS NULL)
  WHERE n.old_footprint_code <> n.new_footprint_code
    -- whose office named somebody once and names nobody now says so
    AND NOT EXISTS (
      SELECT 1
      FROM core.footprint AS v
      JOIN raw.footprint AS r ON r.row_hash = v.row_hash AND r.enterprise_code IS NOT NULL
      WHERE v.footprint_code = l.key
    )
  ORDER BY l.key, n.run_id DESC, o.to_run NULLS LAST
)
SELECT
  e.footprint_code,
  e.kind,
  CASE WHEN c.new_values ? 'enterprise_code' THEN e.enterprise_code
    ELSE coalesce(e.enterprise_code, p.enterprise_code) END AS enterprise_code,
  e.floor_area_m2,
  e.floors,
  e.geom,
  round(CAST(ST_Area(e.geom) AS numeric), 4) AS plane_area_m2,
  l.key AS record_key,
  l.row_hash,
  l.delivery_id,
  l.row_number,
  coalesce(c.ids, CAST(ARRAY[] AS bigint[])) AS correction_ids
FROM live AS l
JOIN raw.footprint AS r ON r.row_hash = l.row_hash
LEFT JOIN correction AS c ON c.key = l.key
LEFT JOIN former AS p ON p.key = l.key
CROSS JOIN LATERAL jsonb_populate_record(r, coalesce(c.new_values, '{}')) AS e
