-- Parcels whose shares or units may have changed; industrial patches that changed or lie under such a
-- parcel, or under an area that changed, before or after; the run, for the history.
WITH args AS (
  SELECT CAST(:base_codes AS text[]) AS base_codes, CAST(:is_full AS boolean) AS is_full
),
dirty AS (
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
-- Most patches never were industrial; after a change of the codes nothing is left out.
SELECT 'patch', d.key
FROM args
JOIN dirty AS d ON d.kind = 'patch'
WHERE args.is_full OR EXISTS (
  SELECT 1 FROM core.patch AS t WHERE t.patch_code = d.key AND t.land_use_code = ANY (args.base_codes)
) OR EXISTS (
  SELECT 1 FROM derived.patch_cover AS c WHERE c.patch_code = d.key
)
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
SELECT 'patch', c.patch_code
FROM dirty AS d
JOIN derived.patch_cover AS c ON c.area_code = d.key
WHERE d.kind = 'area'
UNION
SELECT 'run', CAST(CAST(:run_id AS integer) AS text)
