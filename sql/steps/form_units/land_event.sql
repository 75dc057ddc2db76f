-- What happened to the land of the enterprises in scope, with the end that a person set where one did.
-- One row: one land event. Read by pipeline.steps.form_units.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
)
SELECT
  v.enterprise_code,
  v.kind,
  v.event_no,
  coalesce(s.successor_code, v.parcel_code) AS parcel_code,
  round(v.land_area_m2, 4) AS land_area_m2,
  v.contract_on,
  v.delivered_on,
  v.occurred_on,
  coalesce(CAST(d.value AS date), v.transition_end) AS transition_end,
  d.decision_id IS NOT NULL AS is_decided,
  e.registered_on
FROM args
CROSS JOIN core.land_event AS v
JOIN ops.scope AS o ON o.step = 'form_units' AND o.kind = 'member' AND o.key = v.enterprise_code
JOIN core.enterprise AS e ON e.enterprise_code = v.enterprise_code AND e.to_run IS NULL
LEFT JOIN derived.parcel_successor AS s ON s.parcel_code = v.parcel_code AND s.follow = 'followed'
LEFT JOIN core.current_evaluation_decision AS d
  ON d.enterprise_code = v.enterprise_code AND d.year = args.year AND d.kind = 'transition_end' AND d.value IS NOT NULL
WHERE v.to_run IS NULL
ORDER BY v.event_no
