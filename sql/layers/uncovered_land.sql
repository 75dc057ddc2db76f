-- Layer 未覆盖工业用地: what is missing, by township, largest first. One row: one row of
-- derived.patch_gap.
SELECT
  g.patch_code,
  g.parcel_code,
  g.township_code,
  CAST(round(g.area_m2, 2) AS double precision) AS area_m2,
  CAST(round(g.area_m2 * 3 / 2000, 4) AS double precision) AS area_mu,
  g.reason,
  CASE g.reason
    WHEN 'no_parcel' THEN 'land_office_parcel'
    WHEN 'no_link' THEN 'township_survey_user'
    WHEN 'in_review' THEN 'decide_review'
    WHEN 'claims_conflict' THEN 'check_leases'
    WHEN 'unit_too_large' THEN 'decide_unit'
    WHEN 'no_indicator' THEN 'economy_office_data'
    WHEN 'not_allocated' THEN 'township_survey_user'
    ELSE 'check_unit'
  END AS next_step,
  CAST(row_number() OVER (
    PARTITION BY g.township_code ORDER BY g.area_m2 DESC, g.patch_code, g.parcel_code
  ) AS integer) AS rank_in_township,
  g.geom
FROM derived.patch_gap AS g
JOIN ops.scope AS s
  ON s.step = 'publish_layers' AND s.kind = 'township' AND s.key = g.township_code
