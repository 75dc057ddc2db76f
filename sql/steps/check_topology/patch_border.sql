-- The patches in scope and those beside them, whose borders pipeline.steps.check_topology compares.
-- One row: one patch of the used vintage; of the latter only the shape counts.
WITH args AS (
  SELECT CAST(:vintage AS integer) AS vintage
),
target AS MATERIALIZED (
  SELECT t.patch_code, t.geom
  FROM args
  JOIN core.patch AS t ON t.to_run IS NULL AND t.vintage = args.vintage
  WHERE t.patch_code IN (
    SELECT s.key FROM ops.scope AS s WHERE s.step = 'check_topology' AND s.kind = 'patch'
  )
),
-- In a first or full run there are no others, and no need to look at the map.
other AS MATERIALIZED (
  SELECT t.patch_code
  FROM args
  JOIN core.patch AS t ON t.to_run IS NULL AND t.vintage = args.vintage
  WHERE t.patch_code NOT IN (
    SELECT s.key FROM ops.scope AS s WHERE s.step = 'check_topology' AND s.kind = 'patch'
  )
),
beside AS MATERIALIZED (
  SELECT DISTINCT n.patch_code
  FROM args
  CROSS JOIN target AS t
  JOIN core.patch AS n
    ON n.to_run IS NULL AND n.vintage = args.vintage AND n.geom && ST_Expand(t.geom, 0.001)
  WHERE EXISTS (SELECT 1 FROM other) AND n.patch_code NOT IN (
    SELECT s.key FROM ops.scope AS s WHERE s.step = 'check_topology' AND s.kind = 'patch'
  )
)
SELECT t.patch_code, true AS is_target, ST_AsBinary(t.geom) AS shape
FROM target AS t
UNION ALL
SELECT n.patch_code, false, ST_AsBinary(n.geom)
FROM args
CROSS JOIN beside AS b
JOIN core.patch AS n ON n.patch_code = b.patch_code AND n.to_run IS NULL AND n.vintage = args.vintage
