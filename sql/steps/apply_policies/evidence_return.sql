-- What policies did to the members of units. One row: one unit and record. Read by
-- pipeline.steps.apply_policies.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
)
SELECT m.unit_code, r.enterprise_code, r.policy, r.year, r.amount, r.record_key
FROM args
JOIN derived.unit_enterprise AS m ON m.year = args.year
JOIN core.policy_return AS r ON r.enterprise_code = m.enterprise_code AND r.to_run IS NULL
ORDER BY m.unit_code, r.record_key
