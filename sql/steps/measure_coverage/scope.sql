-- Parcels whose shares or units may have changed; patches that changed or lie under such a parcel,
-- or under an area that changed, before or after; the run, for the history.
WITH dirty AS (
  SELECT d.kind, d.key FROM ops.dirty AS d
),
parcel AS (
  SELECT d.key
  FROM dirty AS d
  WHERE d.kind = 'parcel'
  UNION
  SELECT m.parcel_code
  FROM dirty AS d
  JOIN derived.unit_member AS m ON m.component = d.key
  WHERE d.kind = 'component'
),
clean_patch AS MATERIALIZED (
  SELECT t.patch_code, t.geom
  FROM core.patch AS t
  WHERE t.to_run IS NULL
    AND EXISTS (SELECT 1 FROM dirty AS d WHERE d.kind = 'area')
    AND NOT EXISTS (SELECT 1 FROM dirty AS d WHERE d.kind = 'patch' AND d.key = t.patch_code)
)
SELECT 'parcel' AS kind, p.key
FROM parcel AS p
UNION
SELECT 'patch', d.key
FROM dirty AS d
WHERE d.kind = 'patch'
UNION
SELECT 'patch', pp.patch_code
FROM parcel AS p
JOIN derived.parcel_patch AS pp ON pp.parcel_code = p.key
UNION
SELECT 'patch', t.patch_code
FROM dirty AS d
JOIN core.area AS a ON a.area_code = d.key
JOIN clean_patch AS t ON ST_Intersects(a.geom, t.geom)
WHERE d.kind = 'area'
UNION
SELECT 'run', CAST(CAST(:run_id AS integer) AS text)
