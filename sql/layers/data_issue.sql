-- Bad rows of the deliveries in force, and what the steps found. A snapshot takes the place of all before it
-- of its scope and years. One row: one issue.
WITH args AS (
  SELECT CAST(:vintage AS integer) AS vintage
),
delivery AS (
  SELECT d.delivery_id, d.file, d.layer
  FROM ops.delivery AS d
  WHERE d.state IN ('loaded', 'consumed')
    AND NOT EXISTS (
      SELECT 1
      FROM ops.delivery AS n
      WHERE n.feed = d.feed AND n.state IN ('loaded', 'consumed')
        AND n.since IS NULL AND (n.scope IS NULL OR d.scope <@ n.scope) AND (n.parts IS NULL OR coalesce(d.parts, '{}') <@ n.parts)
        AND (n.data_date, n.delivery_id) > (d.data_date, d.delivery_id)
    )
),
issue AS (
  SELECT i.*, d.file
  FROM ops.issue AS i
  LEFT JOIN delivery AS d ON d.delivery_id = i.delivery_id
  WHERE i.delivery_id IS NULL OR d.delivery_id IS NOT NULL
)
SELECT
  concat_ws('|', i.rule, i.feed, i.subject_key, i.detail_key, i.file, i.row_number, i.field) AS issue_key,
  i.rule,
  i.severity,
  i.feed,
  i.subject_key,
  i.file,
  i.row_number,
  i.field,
  i.value,
  CAST(i.params AS text) AS params,
  CAST(round(i.size_m2, 2) AS double precision) AS size_m2,
  coalesce(
    t.township_code, s.township_code, h.township_code, o.township_code, CAST(i.params AS jsonb) ->> 'township', ''
  ) AS township_code,
  -- the overlap or gap itself, else the land of the record
  ST_AsHEXEWKB(coalesce(x.geom, p.geom, h.geom, home.geom)) AS geom
FROM args
CROSS JOIN issue AS i
LEFT JOIN core.parcel AS p ON p.parcel_code = i.subject_key AND p.to_run IS NULL
LEFT JOIN derived.parcel_township AS t ON t.parcel_code = p.parcel_code
LEFT JOIN derived.seat AS s ON s.enterprise_code = i.subject_key
LEFT JOIN core.parcel AS home ON home.parcel_code = s.parcel_code AND home.to_run IS NULL
-- The loader names a patch by vintage and code, the steps by its code.
LEFT JOIN core.patch AS h
  ON h.to_run IS NULL AND h.vintage = args.vintage AND h.patch_code = regexp_replace(i.subject_key, '^[0-9]{4}[|]', '')
LEFT JOIN derived.topology AS x
  ON x.rule = i.rule AND x.subject_key = i.subject_key AND x.detail_key = i.detail_key
-- A footprint lies where the parcel does that it reaches into.
LEFT JOIN derived.parcel_township AS o ON x.feed = 'footprint' AND o.parcel_code = i.detail_key
ORDER BY 1
