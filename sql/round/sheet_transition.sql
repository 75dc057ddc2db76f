-- Transition periods of enterprises, by rule. One row: one enterprise, rule and event.
WITH args AS (
  SELECT CAST(:codes AS text[]) AS codes
)
SELECT
  t.enterprise_code, t.rule, t.event_no, t.parcel_code, t.takes, t.land_area_m2, t.valid_from, t.valid_to, t.is_in_force,
  t.is_upper_bound, t.is_beyond_bound
FROM args
JOIN derived.transition AS t ON args.codes IS NULL OR t.enterprise_code = ANY (args.codes)
ORDER BY t.enterprise_code, t.rule, t.event_no
