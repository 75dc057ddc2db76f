-- What stands in the way of the issue, counted where it lies. One row: one kind of obstacle and township.
-- Each kind is explained in config/messages/round.zh.toml under round.blocker.<code>.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
place AS (
  SELECT DISTINCT ON (m.unit_code) m.unit_code, t.township_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  JOIN derived.parcel_township AS t ON t.parcel_code = m.parcel_code
  ORDER BY m.unit_code, m.area_m2 DESC, t.township_code
),
unit AS (
  SELECT
    u.unit_code, u.eval_state, u.state_reason, coalesce(p.township_code, '') AS township_code,
    g.obstacle, coalesce(g.lacking, '{}') AS lacking,
    g.decided_grade IS NOT NULL OR g.official_grade IS NOT NULL AS is_said
  FROM args
  JOIN derived.unit AS u ON u.year = args.year
  LEFT JOIN place AS p ON p.unit_code = u.unit_code
  LEFT JOIN derived.grade AS g ON g.year = u.year AND g.unit_code = u.unit_code
),
-- Excluded units are not asked to confirm anything.
member AS (
  SELECT DISTINCT m.enterprise_code, coalesce(s.township_code, '') AS township_code
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  JOIN derived.unit AS u ON u.year = m.year AND u.unit_code = m.unit_code
  LEFT JOIN derived.seat AS s ON s.enterprise_code = m.enterprise_code
  WHERE m.enterprise_code <> '' AND u.eval_state <> 'excluded'
),
objection AS (
  SELECT
    o.act_id, o.enterprise_code,
    (EXISTS (
      SELECT 1 FROM core.round_act AS a WHERE a.kind = 'answer' AND a.refers_to = o.act_id
    )) AS is_answered
  FROM args
  JOIN core.round_act AS o ON o.year = args.year AND o.kind = 'object'
),
found AS (
  SELECT 'units_without_rules' AS code, u.township_code, u.unit_code AS key
  FROM unit AS u
  WHERE u.eval_state = 'evaluated' AND u.obstacle IN ('rules_missing', 'rules_not_in_force') AND NOT u.is_said
  UNION ALL
  SELECT 'units_without_figures', u.township_code, u.unit_code
  FROM unit AS u
  WHERE (u.eval_state = 'no_data' OR u.eval_state = 'evaluated' AND u.obstacle = 'figure_missing') AND NOT u.is_said
  UNION ALL
  SELECT 'units_without_area', u.township_code, u.unit_code
  FROM unit AS u
  WHERE u.eval_state = 'evaluated' AND u.obstacle = 'area_missing' AND NOT u.is_said
  UNION ALL
  SELECT 'figures_lacking', u.township_code, u.unit_code
  FROM unit AS u
  WHERE u.eval_state = 'evaluated' AND u.obstacle IS NULL AND cardinality(u.lacking) > 0
  UNION ALL
  SELECT 'units_too_large', u.township_code, u.unit_code
  FROM unit AS u
  WHERE u.state_reason = 'too_large' AND NOT u.is_said
  UNION ALL
  SELECT
    CASE s.seat_state WHEN 'in_review' THEN 'links_in_review' ELSE 'seats_unknown' END,
    s.township_code, s.enterprise_code
  FROM derived.seat AS s
  WHERE s.seat_state IN ('in_review', 'unknown')
  UNION ALL
  SELECT DISTINCT 'allocation_conflicts', coalesce(t.township_code, ''), a.parcel_code
  FROM derived.allocation AS a
  LEFT JOIN derived.parcel_township AS t ON t.parcel_code = a.parcel_code
  WHERE a.method = 'conflict'
  UNION ALL
  SELECT DISTINCT
    CASE WHEN t.is_beyond_bound THEN 'transitions_beyond_bound' ELSE 'transitions_without_end' END,
    coalesce(s.township_code, ''), t.enterprise_code
  FROM derived.transition AS t
  LEFT JOIN derived.seat AS s ON s.enterprise_code = t.enterprise_code
  WHERE t.is_beyond_bound OR t.is_upper_bound AND t.is_in_force
  UNION ALL
  SELECT 'not_confirmed', m.township_code, m.enterprise_code
  FROM args
  CROSS JOIN member AS m
  WHERE EXISTS (
    SELECT 1 FROM objection AS o WHERE o.enterprise_code = m.enterprise_code AND NOT o.is_answered
  ) OR NOT EXISTS (
    SELECT 1 FROM objection AS o WHERE o.enterprise_code = m.enterprise_code
  ) AND NOT EXISTS (
    SELECT 1 FROM core.round_act AS c
    WHERE c.year = args.year AND c.kind = 'confirm' AND c.enterprise_code = m.enterprise_code
  )
  UNION ALL
  SELECT 'objections_open', coalesce(s.township_code, ''), CAST(o.act_id AS text)
  FROM objection AS o
  LEFT JOIN derived.seat AS s ON s.enterprise_code = o.enterprise_code
  WHERE NOT o.is_answered
  UNION ALL
  SELECT 'acts_not_run', '', w.key
  FROM args
  CROSS JOIN LATERAL (
    SELECT 'evaluation_decision ' || d.decision_id AS key
    FROM core.evaluation_decision AS d
    WHERE d.year = args.year AND NOT EXISTS (
      SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'evaluation_decision' AND s.act_id = d.decision_id
    )
    UNION ALL
    SELECT 'decision ' || d.decision_id
    FROM core.decision AS d
    WHERE NOT EXISTS (SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'decision' AND s.act_id = d.decision_id)
    UNION ALL
    SELECT 'correction ' || c.correction_id
    FROM core.correction AS c
    WHERE NOT EXISTS (SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'correction' AND s.act_id = c.correction_id)
  ) AS w
)
SELECT f.code, f.township_code, a.name AS township_name, count(*) AS count, min(f.key) AS example
FROM found AS f
LEFT JOIN core.area AS a ON a.area_code = f.township_code AND a.to_run IS NULL
GROUP BY f.code, f.township_code, a.name
ORDER BY f.code, f.township_code
