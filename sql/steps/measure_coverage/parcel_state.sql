-- How much of each parcel is linked to somebody, evaluated, or in transition.
-- One row: one parcel. Linked: allocated to an enterprise, used undivided, or claimed in conflict.
-- Source: docs/how-it-decides.md section 6.
WITH parcel AS (
  SELECT p.parcel_code, p.reference_area_m2 AS area
  FROM core.parcel AS p
  JOIN ops.scope AS s
    ON s.step = 'measure_coverage' AND s.kind = 'parcel' AND s.key = p.parcel_code
  WHERE p.to_run IS NULL
),
linked AS (
  SELECT a.parcel_code, sum(a.allocated_m2) FILTER (WHERE a.method <> 'rest') AS area
  FROM parcel AS p
  JOIN derived.allocation AS a ON a.parcel_code = p.parcel_code
  GROUP BY a.parcel_code
),
state AS (
  SELECT
    m.parcel_code,
    sum(m.area_m2 - m.deducted_m2) FILTER (WHERE u.eval_state = 'evaluated') AS evaluated,
    sum(CASE WHEN u.eval_state = 'transition' THEN m.area_m2 ELSE m.deducted_m2 END)
      FILTER (WHERE u.eval_state <> 'excluded') AS transition
  FROM parcel AS p
  JOIN derived.unit_member AS m ON m.parcel_code = p.parcel_code
  JOIN derived.unit AS u ON u.year = m.year AND u.unit_code = m.unit_code
  GROUP BY m.parcel_code
),
measured AS (
  SELECT
    p.parcel_code,
    p.area,
    round(coalesce(l.area, 0), 4) AS linked,
    round(coalesce(s.evaluated, 0), 4) AS evaluated,
    round(coalesce(s.transition, 0), 4) AS transition
  FROM parcel AS p
  LEFT JOIN linked AS l ON l.parcel_code = p.parcel_code
  LEFT JOIN state AS s ON s.parcel_code = p.parcel_code
)
SELECT
  m.parcel_code,
  m.area AS reference_area_m2,
  m.linked AS linked_m2,
  m.evaluated AS evaluated_m2,
  m.transition AS transition_m2,
  round(coalesce(m.linked / nullif(m.area, 0), 0), 12) AS linked_share,
  round(coalesce(m.evaluated / nullif(m.area, 0), 0), 12) AS evaluated_share,
  round(coalesce(m.transition / nullif(m.area, 0), 0), 12) AS transition_share
FROM measured AS m
