-- Layer 土地变化: the last run that changed parcels. One row: one parcel that was added, removed,
-- or altered in attributes, geometry or both, with its lineage.
WITH last AS (
  SELECT greatest(max(p.from_run), max(p.to_run)) AS run_id
  FROM core.parcel AS p
),
closed AS (
  SELECT p.*
  FROM last
  JOIN core.parcel AS p ON p.to_run = last.run_id
),
opened AS (
  SELECT p.*
  FROM last
  JOIN core.parcel AS p ON p.from_run = last.run_id
),
changed AS (
  SELECT
    coalesce(o.parcel_code, c.parcel_code) AS parcel_code,
    CASE
      WHEN c.parcel_code IS NULL THEN 'added'
      WHEN o.parcel_code IS NULL THEN 'removed'
      WHEN c.geom = o.geom THEN 'attributes'
      WHEN (c.land_use_code IS DISTINCT FROM o.land_use_code) OR (c.location IS DISTINCT FROM o.location)
        OR (c.official_area_m2 IS DISTINCT FROM o.official_area_m2) OR (c.unit_code IS DISTINCT FROM o.unit_code)
        THEN 'both'
      ELSE 'geometry'
    END AS change_kind,
    coalesce(o.geom, c.geom) AS geom
  FROM closed AS c
  FULL JOIN opened AS o ON o.parcel_code = c.parcel_code
)
SELECT
  last.run_id,
  c.parcel_code,
  c.change_kind,
  (
    SELECT string_agg(DISTINCT n.kind, ',' ORDER BY n.kind)
    FROM core.parcel_lineage AS n
    WHERE n.run_id = last.run_id AND c.parcel_code IN (n.old_parcel_code, n.new_parcel_code)
  ) AS lineage_kind,
  (
    SELECT string_agg(n.new_parcel_code, ',' ORDER BY n.new_parcel_code)
    FROM core.parcel_lineage AS n
    WHERE n.run_id = last.run_id AND n.old_parcel_code = c.parcel_code AND n.new_parcel_code <> c.parcel_code
  ) AS successor_codes,
  (
    SELECT string_agg(n.old_parcel_code, ',' ORDER BY n.old_parcel_code)
    FROM core.parcel_lineage AS n
    WHERE n.run_id = last.run_id AND n.new_parcel_code = c.parcel_code AND n.old_parcel_code <> c.parcel_code
  ) AS predecessor_codes,
  coalesce(t.township_code, s.township_code, '') AS township_code,
  c.geom
FROM last
CROSS JOIN changed AS c
LEFT JOIN derived.parcel_township AS t ON t.parcel_code = c.parcel_code
LEFT JOIN LATERAL (
  SELECT p.township_code
  FROM core.parcel_lineage AS n
  JOIN derived.parcel_township AS p ON p.parcel_code = n.new_parcel_code
  WHERE n.old_parcel_code = c.parcel_code AND n.run_id = last.run_id
  ORDER BY n.new_parcel_code
  LIMIT 1
) AS s ON true
