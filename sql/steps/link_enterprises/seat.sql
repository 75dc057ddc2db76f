-- Exactly one seat state per enterprise (docs/sources.md, Design 5, invariant 5). One row: one enterprise.
WITH enterprise AS (
  SELECT e.enterprise_code, e.status, coalesce(e.township_code, named.area_code, '') AS township_code
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  LEFT JOIN LATERAL (
    SELECT a.area_code
    FROM core.area AS a
    WHERE a.to_run IS NULL AND a.kind = 'township' AND strpos(e.address, a.name) > 0
    ORDER BY length(a.name) DESC, a.area_code
    LIMIT 1
  ) AS named ON e.township_code IS NULL
  WHERE e.to_run IS NULL
),
main AS (
  SELECT DISTINCT ON (l.enterprise_code)
    l.enterprise_code, l.parcel_code, l.stage, l.status, t.township_code,
    bool_or(l.status = 'accepted') OVER every AS has_accepted,
    bool_or(l.status = 'accepted' AND t.is_industrial) OVER every AS has_industrial
  FROM enterprise AS e
  JOIN derived.link AS l ON l.enterprise_code = e.enterprise_code AND l.status <> 'rejected'
  JOIN core.parcel AS p ON p.parcel_code = l.parcel_code AND p.to_run IS NULL
  JOIN derived.parcel_township AS t ON t.parcel_code = l.parcel_code
  JOIN (
    VALUES ('decision', 0), ('right_code', 1), ('lease_code', 2), ('registry_parcel', 3), ('registry_certificate', 4),
      ('footprint_drawn', 5), ('right_name', 6), ('lease_name', 7), ('address', 8), ('point', 9)
  ) AS stage (name, stage_no) ON stage.name = l.stage
  WINDOW every AS (PARTITION BY l.enterprise_code)
  ORDER BY l.enterprise_code, l.status, NOT t.is_industrial, stage.stage_no, p.reference_area_m2 DESC, l.parcel_code
)
SELECT
  e.enterprise_code,
  CASE
    WHEN e.status <> 'operating' THEN 'off_site'
    WHEN d.kind IS NOT NULL THEN d.kind
    WHEN m.has_industrial THEN 'linked'
    WHEN m.has_accepted THEN 'no_industrial_premises'
    WHEN m.enterprise_code IS NOT NULL THEN 'in_review'
    ELSE 'unknown'
  END AS seat_state,
  CASE
    WHEN e.status <> 'operating' THEN e.status
    WHEN d.kind IS NOT NULL THEN 'decided_by_person'
    WHEN m.enterprise_code IS NOT NULL THEN m.stage
    ELSE 'no_evidence'
  END AS reason,
  CASE WHEN e.status = 'operating' AND d.kind IS NULL AND m.has_accepted THEN m.parcel_code END AS parcel_code,
  coalesce(CASE WHEN m.has_accepted THEN nullif(m.township_code, '') END, e.township_code) AS township_code
FROM enterprise AS e
LEFT JOIN main AS m ON m.enterprise_code = e.enterprise_code
LEFT JOIN core.current_decision AS d
  ON d.enterprise_code = e.enterprise_code AND d.kind IN ('no_industrial_premises', 'off_site')
