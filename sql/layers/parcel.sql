-- Layer 宗地. One row: one parcel in force, with its users, units, grade and coverage state.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year
),
parcel AS (
  SELECT p.parcel_code, p.land_use_code, p.location, p.reference_area_m2, p.geom
  FROM core.parcel AS p
  JOIN ops.scope AS s
    ON s.step = 'publish_layers' AND s.kind = 'parcel' AND s.key = p.parcel_code
  WHERE p.to_run IS NULL
),
users AS (
  SELECT
    l.parcel_code,
    count(DISTINCT l.enterprise_code) FILTER (WHERE l.status = 'accepted') AS accepted,
    bool_or(l.status = 'review') AS has_review,
    string_agg(DISTINCT e.name, '、' ORDER BY e.name) FILTER (WHERE l.status = 'accepted') AS names
  FROM parcel AS p
  JOIN derived.link AS l ON l.parcel_code = p.parcel_code
  JOIN core.enterprise AS e ON e.enterprise_code = l.enterprise_code AND e.to_run IS NULL
  GROUP BY l.parcel_code
),
units AS (
  SELECT
    m.parcel_code,
    CASE WHEN count(DISTINCT u.kind) = 1 THEN min(u.kind) ELSE 'mixed' END AS kind,
    CASE
      WHEN count(DISTINCT g.grade) = 0 THEN NULL
      WHEN count(DISTINCT coalesce(g.grade, '')) = 1 THEN min(g.grade)
      ELSE 'mixed'
    END AS grade
  FROM args
  CROSS JOIN parcel AS p
  JOIN derived.unit_member AS m ON m.parcel_code = p.parcel_code AND m.year = args.year
  JOIN derived.unit AS u ON u.year = m.year AND u.unit_code = m.unit_code
  LEFT JOIN derived.grade AS g ON g.year = u.year AND g.unit_code = u.unit_code
  GROUP BY m.parcel_code
)
SELECT
  p.parcel_code,
  t.township_code,
  coalesce(a.name, t.township_code) AS township_name,
  p.land_use_code,
  p.location,
  t.is_industrial,
  CAST(round(p.reference_area_m2, 2) AS double precision) AS area_m2,
  CAST(round(p.reference_area_m2 * 3 / 2000, 4) AS double precision) AS area_mu,
  CAST(coalesce(u.accepted, 0) AS integer) AS enterprise_count,
  u.names AS enterprise_names,
  n.kind AS unit_kind,
  n.grade,
  CASE
    WHEN s.evaluated_share >= 1 THEN 'evaluated'
    WHEN s.evaluated_share > 0 THEN 'partly'
    WHEN s.transition_share > 0 THEN 'transition'
    WHEN u.accepted > 0 THEN 'linked'
    WHEN u.has_review THEN 'in_review'
    ELSE 'unlinked'
  END AS coverage_state,
  CAST(round(s.evaluated_share, 6) AS double precision) AS evaluated_share,
  CAST(round(s.transition_share, 6) AS double precision) AS transition_share,
  CAST(round(p.reference_area_m2 - s.linked_m2, 2) AS double precision) AS unallocated_m2,
  p.geom
FROM parcel AS p
JOIN derived.parcel_township AS t ON t.parcel_code = p.parcel_code
JOIN derived.parcel_state AS s ON s.parcel_code = p.parcel_code
LEFT JOIN core.area AS a ON a.area_code = t.township_code AND a.to_run IS NULL
LEFT JOIN users AS u ON u.parcel_code = p.parcel_code
LEFT JOIN units AS n ON n.parcel_code = p.parcel_code
