-- Land matters 用地事项.
-- One row: the record in force for one key, values as corrected. A correction holds while the
-- delivered value equals the expected one (docs/sources.md, Design 3).
WITH args AS (
  SELECT CAST(:as_of AS date) AS as_of
),
live AS (
  SELECT l.key, l.row_hash, l.delivery_id, l.row_number
  FROM ops.live_row('land_event') AS l
  JOIN ops.scope AS s ON s.step = 'reconcile_records' AND s.kind = 'land_event' AND s.key = l.key
),
correction AS (
  SELECT
    l.key,
    array_agg(c.correction_id ORDER BY c.correction_id) AS ids,
    jsonb_object_agg(c.field, c.new_value ORDER BY c.correction_id) AS new_values
  FROM args
  CROSS JOIN live AS l
  JOIN core.usable_correction AS c ON c.feed = 'land_event' AND c.key = l.key
  JOIN raw.land_event AS r ON r.row_hash = l.row_hash
  WHERE (c.valid_until IS NULL OR args.as_of < c.valid_until)
    AND to_jsonb(r) ->> c.field IS NOT DISTINCT FROM c.expected_value
  GROUP BY l.key
)
SELECT
  e.event_no,
  e.enterprise_code,
  e.kind,
  e.parcel_code,
  e.land_area_m2,
  e.contract_on,
  e.delivered_on,
  e.occurred_on,
  e.transition_end,
  l.key AS record_key,
  l.row_hash,
  l.delivery_id,
  l.row_number,
  coalesce(c.ids, CAST(ARRAY[] AS bigint[])) AS correction_ids
FROM live AS l
JOIN raw.land_event AS r ON r.row_hash = l.row_hash
LEFT JOIN correction AS c ON c.key = l.key
CROSS JOIN LATERAL jsonb_populate_record(r, coalesce(c.new_values, '{}')) AS e
