-- What this run adds to the history: assessment units whose figures differ from the last entry.
-- One row: one assessment unit in this run.
WITH args AS (
  SELECT CAST(:run_id AS integer) AS run_id, CAST(:as_of AS date) AS as_of
),
last AS (
  SELECT DISTINCT ON (h.area_code)
    h.area_code, h.base_area_m2, h.linked_area_m2, h.evaluated_area_m2, h.transition_area_m2,
    h.covered_area_m2, h.definition
  FROM args
  JOIN core.coverage_history AS h ON h.run_id < args.run_id
  ORDER BY h.area_code, h.run_id DESC
)
SELECT
  args.run_id,
  args.as_of,
  c.area_code,
  c.base_area_m2,
  c.linked_area_m2,
  c.evaluated_area_m2,
  c.transition_area_m2,
  c.covered_area_m2,
  c.definition
FROM args
CROSS JOIN derived.township_coverage AS c
LEFT JOIN last AS l ON l.area_code = c.area_code
WHERE (c.base_area_m2, c.linked_area_m2, c.evaluated_area_m2, c.transition_area_m2, c.covered_area_m2, c.definition)
  IS DISTINCT FROM
  (l.base_area_m2, l.linked_area_m2, l.evaluated_area_m2, l.transition_area_m2, l.covered_area_m2, l.definition)
