-- Every piece of evidence that ties an enterprise to a parcel, by the stages of
-- docs/how-it-decides.md section 3. One row: one enterprise, parcel, role, stage and evidence row.
-- is_ambiguous: the evidence does not decide; it may go to review. named_code: the retired parcel that
-- the evidence names, where it stands for a successor of it.
WITH args AS (
  SELECT
    CAST(:as_of AS date) AS as_of,
    CAST(:stage_score AS jsonb) AS stage_score,
    CAST(:footprint_min_share AS numeric) AS min_share,
    CAST(:min_gap AS numeric) AS min_gap
),
enterprise AS (
  SELECT
    e.enterprise_code,
    e.credit_code,
    e.name_key,
    e.parcel_code,
    e.certificate_key,
    e.address_key,
    e.geom,
    coalesce(e.township_code, named.area_code) AS township_code
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
  WHERE e.to_run IS NULL AND e.status = 'operating'
),
held AS (
  SELECT
    r.parcel_code, r.named_code, r.is_unclear, r.record_key, r.holder_code, r.holder_name_key, r.certificate_key,
    r.valid_from, r.valid_to
  FROM args
  JOIN derived.right_in_place AS r ON (r.valid_from IS NULL OR r.valid_from <= args.as_of)
    AND (r.valid_to IS NULL OR args.as_of < r.valid_to)
  WHERE EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = r.parcel_code AND p.to_run IS NULL)
),
leased AS (
  SELECT
    l.parcel_code, l.named_code, l.is_unclear, l.lease_no, l.lessor_code, l.lessor_name_key, l.lessee_code,
    l.lessee_name_key, l.valid_from, l.valid_to
  FROM args
  JOIN derived.lease_in_place AS l ON (l.valid_from IS NULL OR l.valid_from <= args.as_of)
    AND (l.valid_to IS NULL OR args.as_of < l.valid_to)
  WHERE EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = l.parcel_code AND p.to_run IS NULL)
),
-- A lessee whose lessor is itself a lessee on that parcel is a sub-tenant. A join, not a test per lease:
-- that would be a loop over all leases for each of them.
sublet AS (
  SELECT DISTINCT l.parcel_code, l.lease_no
  FROM leased AS l
  JOIN leased AS u ON u.parcel_code = l.parcel_code AND u.lease_no <> l.lease_no
    AND (u.lessee_code = l.lessor_code
      OR ((u.lessee_code IS NULL OR l.lessor_code IS NULL) AND u.lessee_name_key = l.lessor_name_key))
),
lease AS (
  SELECT
    l.parcel_code, l.named_code, l.is_unclear, l.lease_no, l.lessee_code, l.lessee_name_key, l.valid_from, l.valid_to,
    CASE WHEN s.lease_no IS NULL THEN 'tenant' ELSE 'sub_tenant' END AS role
  FROM leased AS l
  LEFT JOIN sublet AS s ON s.parcel_code = l.parcel_code AND s.lease_no = l.lease_no
),
certified AS (
  SELECT
    r.certificate_key, r.parcel_code, min(r.record_key) AS record_key, min(r.named_code) AS named_code,
    bool_and(r.is_unclear) AS is_unclear
  FROM held AS r
  WHERE r.certificate_key IN (SELECT e.certificate_key FROM enterprise AS e)
  GROUP BY r.certificate_key, r.parcel_code
),
certificate AS (
  SELECT
    c.certificate_key, c.parcel_code, c.record_key, c.named_code, c.is_unclear,
    count(*) OVER (PARTITION BY c.certificate_key) AS parcels
  FROM certified AS c
),
-- The parcel that the registry names.
entered AS (
  SELECT
    e.enterprise_code, coalesce(t.successor_code, e.parcel_code) AS parcel_code,
    CASE WHEN t.successor_code IS NOT NULL THEN e.parcel_code END AS named_code,
    coalesce(t.follow = 'candidate', false) AS is_unclear
  FROM enterprise AS e
  LEFT JOIN derived.parcel_successor AS t ON t.parcel_code = e.parcel_code AND t.follow <> 'rest'
  WHERE e.parcel_code IS NOT NULL
),
coded AS (
  SELECT e.enterprise_code, r.parcel_code, 'owner' AS role, 'right_code' AS stage, 1 AS stage_no,
    'right_holder_code' AS reason, r.record_key AS evidence_key, CAST(NULL AS numeric) AS score,
    r.is_unclear AS is_ambiguous, r.is_unclear, r.named_code, r.valid_from, r.valid_to
  FROM enterprise AS e
  JOIN held AS r ON r.holder_code = e.credit_code
  UNION ALL
  SELECT e.enterprise_code, l.parcel_code, l.role, 'lease_code', 2, 'lessee_code', l.lease_no, NULL,
    l.is_unclear, l.is_unclear, l.named_code, l.valid_from, l.valid_to
  FROM enterprise AS e
  JOIN lease AS l ON l.lessee_code = e.credit_code
  UNION ALL
  SELECT e.enterprise_code, p.parcel_code, 'operator', 'registry_parcel', 3, 'registry_parcel_code',
    e.enterprise_code, NULL, e.is_unclear, e.is_unclear, e.named_code, NULL, NULL
  FROM entered AS e
  JOIN core.parcel AS p ON p.to_run IS NULL AND p.parcel_code = e.parcel_code
  UNION ALL
  SELECT e.enterprise_code, r.parcel_code, 'operator', 'registry_certificate', 4, 'registry_certificate_no',
    r.record_key, NULL, r.parcels > 1 OR r.is_unclear, r.is_unclear, r.named_code, NULL, NULL
  FROM enterprise AS e
  JOIN certificate AS r ON r.certificate_key = e.certificate_key
  UNION ALL
  -- What a person decided of a parcel that is no more, and whose land went to several.
  SELECT e.enterprise_code, d.parcel_code, coalesce(d.role, 'operator'), 'decision', 0, 'decided_by_person',
    'decision ' || d.decision_id, NULL, true, true, d.named_code, NULL, NULL
  FROM enterprise AS e
  JOIN derived.decision_in_place AS d ON d.enterprise_code = e.enterprise_code
  WHERE d.kind = 'accept_link' AND d.is_unclear
),
-- Later stages see only enterprises that no code has placed.
still_open AS (
  SELECT e.enterprise_code, e.credit_code, e.name_key, e.address_key, e.geom, e.township_code
  FROM enterprise AS e
  WHERE NOT EXISTS (
    SELECT 1 FROM coded AS c
    WHERE c.enterprise_code = e.enterprise_code AND NOT c.is_ambiguous
      AND NOT EXISTS (
        SELECT 1 FROM derived.decision_in_place AS d
        WHERE d.enterprise_code = c.enterprise_code AND d.parcel_code = c.parcel_code AND d.kind = 'reject_link'
          AND NOT d.is_unclear
      )
  )
),
drawn AS (
  SELECT
    e.enterprise_code,
    p.parcel_code,
    min(f.footprint_code) AS footprint_code,
    sum(round(CAST(ST_Area(ST_Intersection(p.geom, f.geom)) AS numeric), 4)) AS area_m2
  FROM still_open AS e
  JOIN core.footprint AS f ON f.to_run IS NULL AND f.enterprise_code = e.enterprise_code
  JOIN core.parcel AS p ON p.to_run IS NULL AND ST_Intersects(p.geom, f.geom)
  GROUP BY e.enterprise_code, p.parcel_code
),
drawing AS (
  SELECT f.enterprise_code, sum(f.plane_area_m2) AS area_m2
  FROM core.footprint AS f
  WHERE f.to_run IS NULL AND f.enterprise_code IN (SELECT e.enterprise_code FROM still_open AS e)
  GROUP BY f.enterprise_code
),
drawn_share AS (
  SELECT
    d.enterprise_code,
    d.parcel_code,
    d.footprint_code,
    least(round(d.area_m2 / t.area_m2, 6), 1) AS share
  FROM drawn AS d
  JOIN drawing AS t ON t.enterprise_code = d.enterprise_code AND t.area_m2 > 0
  WHERE d.area_m2 > 0
),
ranked AS (
  SELECT
    d.enterprise_code,
    d.parcel_code,
    d.footprint_code,
    d.share,
    row_number() OVER near AS place,
    lead(d.share) OVER near AS next_share
  FROM drawn_share AS d
  WINDOW near AS (PARTITION BY d.enterprise_code ORDER BY d.share DESC, d.parcel_code)
),
-- How many enterprises carry a name: a name decides only when it is the only one.
name_count AS (
  SELECT o.name_key, count(*) AS enterprises
  FROM core.enterprise AS o
  WHERE o.to_run IS NULL AND o.status = 'operating'
    AND o.name_key IN (SELECT e.name_key FROM still_open AS e)
  GROUP BY o.name_key
),
spoken AS (
  SELECT e.enterprise_code, e.township_code, e.credit_code, e.name_key, n.enterprises
  FROM still_open AS e
  JOIN name_count AS n ON n.name_key = e.name_key
),
addressed AS (
  SELECT e.enterprise_code, p.parcel_code, count(*) OVER (PARTITION BY e.enterprise_code) AS parcels
  FROM still_open AS e
  JOIN core.parcel AS p ON p.to_run IS NULL AND p.address_key = e.address_key
),
weak AS (
  SELECT r.enterprise_code, r.parcel_code, 'operator' AS role, 'footprint_drawn' AS stage, 5 AS stage_no,
    CASE WHEN r.place = 1 THEN 'largest_drawing' ELSE 'smaller_drawing' END AS reason,
    r.footprint_code AS evidence_key, r.share AS score,
    r.place > 1 OR r.share < args.min_share OR r.share - coalesce(r.next_share, 0) < args.min_gap AS is_ambiguous,
    false AS is_unclear, CAST(NULL AS text) AS named_code, CAST(NULL AS date) AS valid_from, CAST(NULL AS date) AS valid_to
  FROM args
  CROSS JOIN ranked AS r
  UNION ALL
  SELECT e.enterprise_code, r.parcel_code, 'owner', 'right_name', 6,
    CASE WHEN e.enterprises > 1 THEN 'name_not_unique'
      WHEN e.township_code = t.township_code THEN 'right_holder_name' ELSE 'name_alone' END,
    r.record_key, NULL, r.is_unclear OR e.enterprises > 1 OR (e.township_code IS DISTINCT FROM t.township_code),
    r.is_unclear, r.named_code, r.valid_from, r.valid_to
  FROM spoken AS e
  JOIN held AS r ON r.holder_name_key = e.name_key AND (r.holder_code IS NULL OR e.credit_code IS NULL)
  JOIN derived.parcel_township AS t ON t.parcel_code = r.parcel_code
  UNION ALL
  SELECT e.enterprise_code, l.parcel_code, l.role, 'lease_name', 7,
    CASE WHEN e.enterprises > 1 THEN 'name_not_unique'
      WHEN e.township_code = t.township_code THEN 'lessee_name' ELSE 'name_alone' END,
    l.lease_no, NULL, l.is_unclear OR e.enterprises > 1 OR (e.township_code IS DISTINCT FROM t.township_code),
    l.is_unclear, l.named_code, l.valid_from, l.valid_to
  FROM spoken AS e
  JOIN lease AS l ON l.lessee_name_key = e.name_key AND (l.lessee_code IS NULL OR e.credit_code IS NULL)
  JOIN derived.parcel_township AS t ON t.parcel_code = l.parcel_code
  UNION ALL
  SELECT a.enterprise_code, a.parcel_code, 'operator', 'address', 8,
    CASE WHEN a.parcels = 1 THEN 'address_equal' ELSE 'address_not_unique' END,
    a.parcel_code, NULL, a.parcels > 1, false, NULL, NULL, NULL
  FROM addressed AS a
  UNION ALL
  SELECT e.enterprise_code, p.parcel_code, 'operator', 'point', 9, 'point_inside', e.enterprise_code, NULL,
    true, false, NULL, NULL, NULL
  FROM still_open AS e
  JOIN core.parcel AS p ON p.to_run IS NULL AND ST_Intersects(p.geom, e.geom)
)
SELECT
  c.enterprise_code, c.parcel_code, c.role, c.stage, c.stage_no,
  CASE WHEN c.is_unclear THEN 'successor_unclear' ELSE c.reason END AS reason,
  c.evidence_key,
  coalesce(c.score, CAST(args.stage_score ->> c.stage AS numeric), 0) AS score,
  c.is_ambiguous, c.named_code, c.valid_from, c.valid_to
FROM args
CROSS JOIN (
  SELECT * FROM coded
  UNION ALL
  SELECT * FROM weak
) AS c
