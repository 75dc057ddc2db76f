-- Claims on a parcel that cannot all be true. One row: one parcel, with all claims.
-- Source: docs/sources.md, 1.7; never scaled down silently.
WITH parcel AS (
  SELECT a.parcel_code, a.allocated_m2
  FROM derived.allocation AS a
  JOIN ops.scope AS s
    ON s.step = 'allocate_parcels' AND s.kind = 'parcel' AND s.key = a.parcel_code
  WHERE a.enterprise_code = '' AND a.method = 'conflict'
),
args AS (
  SELECT CAST(:as_of AS date) AS as_of
)
SELECT
  'allocate_parcels' AS step,
  'allocation.conflict' AS rule,
  'error' AS severity,
  'lease' AS feed,
  p.parcel_code AS subject_key,
  '' AS detail_key,
  jsonb_build_object(
    'parcel', p.parcel_code,
    'area', round(p.allocated_m2, 2),
    'claims', coalesce((
      SELECT string_agg(l.lease_no || ': ' || round(l.land_area_m2, 2), '; ' ORDER BY l.lease_no)
      FROM derived.lease_in_place AS l
      WHERE NOT l.is_unclear AND l.parcel_code = p.parcel_code AND l.land_area_m2 IS NOT NULL
        AND (l.valid_from IS NULL OR l.valid_from <= args.as_of)
        AND (l.valid_to IS NULL OR args.as_of < l.valid_to)
    ), '')
  ) AS params,
  p.allocated_m2 AS size_m2
FROM args
CROSS JOIN parcel AS p
