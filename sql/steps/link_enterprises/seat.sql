-- Exactly one seat state per enterprise (docs/sources.md, Design 5, invariant 5). One row: one enterprise.
WITH enterprise AS (
  SELECT
    e.enterprise_code, e.status, t.township_code,
    -- in the order of pipeline.domain.linking.MISSING
    array_remove(ARRAY[
      CASE WHEN e.credit_code IS NULL THEN 'credit_code' END,
      CASE WHEN e.parcel_code IS NULL THEN 'parcel_code' END,
      CASE WHEN e.certificate_key IS NULL THEN 'certificate_no' END,
      CASE
        WHEN e.address IS NULL THEN 'address'
        WHEN coalesce(a.understood, 0) < 0.5 THEN 'address_not_understood'
        WHEN a.number IS NULL THEN 'address_number'
      END,
      CASE WHEN t.township_code = '' THEN 'township' END,
      CASE WHEN e.geom IS NULL THEN 'point' END
    ], NULL) AS missing
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  JOIN derived.enterprise_township AS t ON t.enterprise_code = e.enterprise_code
  LEFT JOIN derived.enterprise_address AS a ON a.enterprise_code = e.enterprise_code
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
  JOIN core.link_stage AS stage ON stage.stage = l.stage
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
  coalesce(CASE WHEN m.has_accepted THEN nullif(m.township_code, '') END, e.township_code) AS township_code,
  CASE
    WHEN e.status = 'operating' AND d.kind IS NULL AND m.has_accepted IS NOT TRUE THEN e.missing ELSE CAST(ARRAY[] AS text[])
  END AS missing
FROM enterprise AS e
LEFT JOIN main AS m ON m.enterprise_code = e.enterprise_code
LEFT JOIN core.current_decision AS d
  ON d.enterprise_code = e.enterprise_code AND d.kind IN ('no_industrial_premises', 'off_site')
