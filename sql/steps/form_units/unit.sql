-- Evaluation units with category and state (docs/how-it-decides.md section 5; docs/sources.md, 1.2, 1.3).
-- One row: one unit of the data year.
WITH args AS (
  SELECT
    CAST(:as_of AS date) AS as_of,
    CAST(:data_year AS integer) AS year,
    CAST(:size_threshold_mu AS numeric) * 2000 / 3 AS threshold_m2,
    CAST(:max_operators AS integer) AS max_operators,
    CAST(:max_parcels AS integer) AS max_parcels,
    -- without a rule set every category is evaluated
    CAST(:evaluated_categories AS text[]) AS categories,
    CAST(:transition_effect AS text) AS transition_effect
),
member AS (
  SELECT m.unit_code, m.component, m.enterprise_code, m.parcel_code, m.area_m2, m.deducted_m2
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  JOIN ops.scope AS s
    ON s.step = 'form_units' AND s.kind = 'component' AND s.key = m.component
),
-- What an enterprise brings that decides category and state.
fact AS (
  SELECT
    m.enterprise_code,
    (e.size_class = 'ABOVE') AS is_above,
    (EXISTS (
      SELECT 1
      FROM derived.link AS l
      WHERE l.enterprise_code = m.enterprise_code AND l.status = 'accepted' AND l.role IN ('owner', 'operator')
    )) AS has_own_land,
    (EXISTS (
      SELECT 1
      FROM core.recognition AS r
      WHERE r.to_run IS NULL AND r.enterprise_code = m.enterprise_code AND r.kind = 'transition'
        AND r.valid_from <= args.as_of AND (r.valid_to IS NULL OR args.as_of < r.valid_to)
    ) OR EXISTS (
      SELECT 1
      FROM derived.transition AS t
      WHERE t.enterprise_code = m.enterprise_code AND t.takes = 'enterprise' AND t.is_in_force
    )) AS has_transition,
    (EXISTS (
      SELECT 1
      FROM core.score AS c
      WHERE c.to_run IS NULL AND c.enterprise_code = m.enterprise_code AND c.year = args.year
    )) AS has_score,
    (EXISTS (
      SELECT 1
      FROM core.indicator AS i
      WHERE i.to_run IS NULL AND i.enterprise_code = m.enterprise_code AND i.year = args.year
    )) AS has_indicator
  FROM args
  CROSS JOIN (SELECT DISTINCT o.enterprise_code FROM member AS o WHERE o.enterprise_code <> '') AS m
  JOIN core.enterprise AS e ON e.enterprise_code = m.enterprise_code AND e.to_run IS NULL
),
unit AS (
  SELECT
    m.unit_code,
    m.component,
    CASE left(m.unit_code, 1) WHEN 'E' THEN 'enterprise' WHEN 'P' THEN 'parcel' ELSE 'merged' END AS kind,
    count(DISTINCT m.enterprise_code) FILTER (WHERE m.enterprise_code <> '') AS members,
    count(DISTINCT m.parcel_code) AS parcels,
    sum(m.area_m2) AS whole_m2,
    sum(m.area_m2 - m.deducted_m2) AS area_m2,
    bool_or(t.is_industrial) AS has_industrial,
    bool_or(f.is_above) AS has_above,
    bool_or(f.has_own_land) AS has_own_land,
    bool_or(f.has_transition) AS has_transition,
    bool_or(f.has_score) AS has_score,
    bool_or(f.has_indicator) AS has_indicator
  FROM member AS m
  JOIN derived.parcel_township AS t ON t.parcel_code = m.parcel_code
  LEFT JOIN fact AS f ON f.enterprise_code = m.enterprise_code
  GROUP BY m.unit_code, m.component
)
SELECT
  args.year,
  u.unit_code,
  u.component,
  u.kind,
  CASE
    WHEN u.kind = 'enterprise' AND u.has_above THEN 'above_scale'
    WHEN u.kind = 'enterprise' THEN 'land_divided'
    WHEN u.kind = 'parcel' THEN 'parcel_undivided'
    ELSE 'parcels_undivided'
  END AS kind_reason,
  CASE WHEN v.obstacle IS NULL THEN c.category ELSE 'NOT_EVALUATED' END AS eval_category,
  CASE
    WHEN v.obstacle IS NOT NULL THEN 'excluded'
    WHEN w.is_waiting THEN 'transition'
    WHEN u.has_score OR u.has_indicator THEN 'evaluated'
    ELSE 'no_data'
  END AS eval_state,
  CASE
    WHEN v.obstacle IS NOT NULL THEN v.obstacle
    WHEN w.is_waiting OR w.is_protected THEN 'in_transition'
    WHEN u.has_score THEN 'official_score'
    WHEN u.has_indicator THEN 'indicator'
    ELSE 'no_data'
  END AS state_reason,
  u.members AS member_count,
  u.parcels AS parcel_count,
  u.area_m2 AS eval_area_m2
FROM args
CROSS JOIN unit AS u
CROSS JOIN LATERAL (
  SELECT CASE
    WHEN u.kind <> 'enterprise' THEN 'PARCEL_MERGED'
    WHEN u.has_above THEN 'ABOVE'
    WHEN NOT u.has_own_land THEN 'TENANT_ONLY'
    WHEN u.area_m2 >= args.threshold_m2 THEN 'BELOW_GE3'
    ELSE 'BELOW_LT3'
  END AS category
) AS c
-- What keeps a unit from being evaluated at all.
CROSS JOIN LATERAL (
  SELECT CASE
    WHEN u.whole_m2 = 0 THEN 'no_area'
    WHEN NOT u.has_industrial THEN 'not_industrial'
    WHEN u.kind <> 'enterprise' AND (u.members > args.max_operators OR u.parcels > args.max_parcels) THEN 'too_large'
    WHEN NOT c.category = ANY (args.categories) THEN 'category_not_evaluated'
  END AS obstacle
) AS v
-- A unit waits while its enterprise, or all of its land, is in transition.
CROSS JOIN LATERAL (
  SELECT
    u.kind = 'enterprise' AND u.has_transition AND args.transition_effect = 'no_grade' OR u.area_m2 = 0 AS is_waiting,
    u.kind = 'enterprise' AND u.has_transition AND args.transition_effect = 'floor'
      AND (u.has_score OR u.has_indicator) AS is_protected
) AS w
