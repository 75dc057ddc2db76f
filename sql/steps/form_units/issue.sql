-- Connected sets of undivided land that are too large to be formed without a person; transitions whose
-- end an office gave beyond the bound of the rule, and new land that is on no parcel the enterprise uses.
-- One row: one unit or transition.
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
UNION ALL
SELECT
  'form_units', 'transition.beyond_bound', 'warning', 'land_event', t.enterprise_code, t.rule || ' ' || t.event_no,
  jsonb_build_object('enterprise', t.enterprise_code, 'rule', t.rule, 'event', t.event_no, 'bound', t.valid_to),
  NULL
FROM derived.transition AS t
JOIN ops.scope AS s
  ON s.step = 'form_units' AND s.kind = 'component' AND s.key = t.enterprise_code
WHERE t.is_beyond_bound
UNION ALL
SELECT
  'form_units', 'transition.parcel_unknown', 'warning', 'land_event', t.enterprise_code, t.rule || ' ' || t.event_no,
  jsonb_build_object(
    'enterprise', t.enterprise_code, 'rule', t.rule, 'event', t.event_no, 'parcel', coalesce(t.parcel_code, '–')),
  t.land_area_m2
FROM derived.transition AS t
JOIN ops.scope AS s
  ON s.step = 'form_units' AND s.kind = 'component' AND s.key = t.enterprise_code
WHERE t.takes = 'land' AND t.is_in_force AND NOT EXISTS (
  SELECT 1
  FROM derived.unit_member AS m
  WHERE m.enterprise_code = t.enterprise_code AND m.parcel_code = t.parcel_code
)
