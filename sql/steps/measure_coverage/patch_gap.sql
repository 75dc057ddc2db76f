-- What is missing of each industrial patch, and why. One row: one patch and one parcel over it whose
-- land is not wholly covered (parcel_code '': land under no parcel). area_m2 is official area of the
-- uncovered share of the piece; where parcels overlap, pieces may count a spot twice here, never in
-- the coverage.
WITH args AS (
  SELECT CAST(:base_codes AS text[]) AS base_codes, CAST(:vintage AS integer) AS vintage
),
patch AS (
  SELECT
    t.patch_code,
    t.township_code,
    coalesce(t.official_area_m2, t.ellipsoid_area_m2) / t.ellipsoid_area_m2 AS scale,
    t.ellipsoid_area_m2 AS drawn,
    t.geom
  FROM args
  JOIN core.patch AS t
    ON t.to_run IS NULL AND t.vintage = args.vintage AND t.land_use_code = ANY (args.base_codes)
  JOIN ops.scope AS s
    ON s.step = 'measure_coverage' AND s.kind = 'patch' AND s.key = t.patch_code
  WHERE t.ellipsoid_area_m2 > 0
),
parcel AS (
  SELECT DISTINCT pp.parcel_code
  FROM patch AS t
  JOIN derived.parcel_patch AS pp ON pp.patch_code = t.patch_code
),
-- Why the users of a parcel are not all evaluated; the worst reason is named.
unit_reason AS (
  SELECT
    m.parcel_code,
    bool_or(u.eval_state = 'no_data') AS has_no_data,
    bool_or(u.eval_state = 'excluded' AND u.state_reason = 'too_large') AS has_too_large
  FROM parcel AS p
  JOIN derived.unit_member AS m ON m.parcel_code = p.parcel_code
  JOIN derived.unit AS u ON u.year = m.year AND u.unit_code = m.unit_code
  GROUP BY m.parcel_code
),
rest AS (
  SELECT a.parcel_code, a.method
  FROM parcel AS p
  JOIN derived.allocation AS a ON a.parcel_code = p.parcel_code
  WHERE a.enterprise_code = ''
),
under_parcel AS (
  SELECT
    t.patch_code,
    pp.parcel_code,
    t.township_code,
    round(pp.area_m2 * t.scale * (1 - least(s.evaluated_share + s.transition_share, 1)), 4) AS area,
    CASE
      WHEN r.method = 'conflict' THEN 'claims_conflict'
      WHEN s.linked_share = 0 AND EXISTS (
        SELECT 1 FROM derived.link AS l WHERE l.parcel_code = pp.parcel_code AND l.status = 'review'
      ) THEN 'in_review'
      WHEN s.linked_share = 0 THEN 'no_link'
      WHEN coalesce(n.has_too_large, false) THEN 'unit_too_large'
      WHEN coalesce(n.has_no_data, false) THEN 'no_indicator'
      WHEN s.linked_share < 1 THEN 'not_allocated'
      ELSE 'excluded'
    END AS reason,
    pp.geom
  FROM patch AS t
  JOIN derived.parcel_patch AS pp ON pp.patch_code = t.patch_code
  JOIN derived.parcel_state AS s ON s.parcel_code = pp.parcel_code
  LEFT JOIN unit_reason AS n ON n.parcel_code = pp.parcel_code
  LEFT JOIN rest AS r ON r.parcel_code = pp.parcel_code
  WHERE s.evaluated_share + s.transition_share < 1
),
-- Materialized: the difference is used three times below.
bare AS MATERIALIZED (
  SELECT
    t.patch_code,
    t.township_code,
    t.scale,
    ST_Multi(ST_CollectionExtract(
      CASE WHEN p.geom IS NULL THEN t.geom ELSE ST_Difference(t.geom, p.geom) END, 3)) AS geom,
    t.drawn,
    ST_Area(t.geom) AS plane
  FROM patch AS t
  LEFT JOIN (
    SELECT pp.patch_code, ST_Union(pp.geom ORDER BY pp.parcel_code) AS geom
    FROM derived.parcel_patch AS pp
    WHERE pp.patch_code IN (SELECT o.patch_code FROM patch AS o)
    GROUP BY pp.patch_code
  ) AS p ON p.patch_code = t.patch_code
),
uncovered AS (
  SELECT u.patch_code, u.parcel_code, u.township_code, u.area, u.reason, u.geom
  FROM under_parcel AS u
  UNION ALL
  SELECT
    b.patch_code, '', b.township_code,
    round(CAST(ST_Area(b.geom) / b.plane AS numeric) * b.drawn * b.scale, 4),
    'no_parcel', b.geom
  FROM bare AS b
  WHERE NOT ST_IsEmpty(b.geom)
)
SELECT u.patch_code, u.parcel_code, u.township_code, u.area AS area_m2, u.reason, u.geom
FROM uncovered AS u
WHERE u.area >= 0.01
