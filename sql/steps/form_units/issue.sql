-- Connected sets of undivided land that are too large to be formed without a person.
-- One row: one unit.
SELECT
  'form_units' AS step,
  'unit.too_large' AS rule,
  'warning' AS severity,
  'enterprise' AS feed,
  u.component AS subject_key,
  u.unit_code AS detail_key,
  jsonb_build_object('unit', u.unit_code, 'members', u.member_count, 'parcels', u.parcel_count) AS params,
  u.eval_area_m2 AS size_m2
FROM derived.unit AS u
JOIN ops.scope AS s
  ON s.step = 'form_units' AND s.kind = 'component' AND s.key = u.component
WHERE u.state_reason = 'too_large'
