-- Every piece of evidence that ties an enterprise to a parcel, by the stages of
-- docs/how-it-decides.md section 3. One row: one enterprise, parcel, role, stage and evidence row.
-- score: the sum of parts, what the evidence weighs and what else agrees with it or not.
-- is_ambiguous: the evidence does not decide; it may go to review. named_code: the retired parcel that
-- the evidence names, where it stands for a successor of it.
WITH args AS (
  SELECT
    CAST(:as_of AS date) AS as_of,
    CAST(:stage_score AS jsonb) AS stage_score,
    CAST(:link_weight AS jsonb) AS weight,
    CAST(:footprint_min_share AS numeric) AS min_share,
    CAST(:footprint_min_gap AS numeric) AS footprint_gap,
    CAST(:min_gap AS numeric) AS min_gap,
    CAST(:point_reach_m AS double precision) AS point_reach,
    CAST(:point_far_m AS double precision) AS point_far
),
enterprise AS (
  SELECT
    e.enterprise_code,
    e.credit_code,
    e.name_key,
    e.certificate_key,
    e.geom,
    t.township_code,
    -- by the registry or the address itself, and not only by its village or road
    t.source IN ('registry', 'address') AS is_township_stated,
    a.village,
    a.road,
    a.is_road_alias,
    a.number,
    n.is_person
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  JOIN derived.enterprise_township AS t ON t.enterprise_code = e.enterprise_code
  JOIN derived.address_in_place AS a ON a.enterprise_code = e.enterprise_code
  LEFT JOIN derived.enterprise_name AS n ON n.enterprise_code = e.enterprise_code AND n.kind = 'current'
  WHERE e.to_run IS NULL AND e.status = 'operating'
),
-- A branch, and its company.
branch AS (
  SELECT e.enterprise_code, c.credit_code
  FROM enterprise AS e
  JOIN derived.enterprise_name AS n ON n.enterprise_code = e.enterprise_code AND n.kind = 'current' AND n.branch <> ''
  JOIN derived.enterprise_name AS m ON m.body = n.body AND m.form = n.form AND m.region = n.region AND m.branch = ''
    AND m.kind = 'current'
  JOIN core.enterprise AS c ON c.to_run IS NULL AND c.enterprise_code = m.enterprise_code
),
-- Of the rights only those that may concern somebody in scope: most are of people with a home.
wanted_code AS (
  SELECT e.credit_code FROM enterprise AS e WHERE e.credit_code IS NOT NULL
  UNION
  SELECT b.credit_code FROM branch AS b WHERE b.credit_code IS NOT NULL
),
wanted_name AS (
  SELECT n.name_key
  FROM enterprise AS e
  JOIN derived.enterprise_name AS n ON n.enterprise_code = e.enterprise_code
  UNION
  SELECT o.name_key FROM derived.party_name AS o
),
held AS (
  SELECT
    r.parcel_code, r.named_code, r.is_unclear, r.record_key, r.holder_code, r.holder_name_key, r.certificate_key,
    r.valid_from, r.valid_to
  FROM args
  JOIN derived.right_in_place AS r ON (r.valid_from IS NULL OR r.valid_from <= args.as_of)
    AND (r.valid_to IS NULL OR args.as_of < r.valid_to)
  WHERE EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = r.parcel_code AND p.to_run IS NULL)
    AND (
      r.holder_code IN (SELECT w.credit_code FROM wanted_code AS w)
      OR r.holder_name_key IN (SELECT w.name_key FROM wanted_name AS w)
      OR r.certificate_key IN (SELECT e.certificate_key FROM enterprise AS e WHERE e.certificate_key IS NOT NULL)
    )
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
-- Who is written down for a parcel: its right holder or its lessee.
party AS (
  SELECT r.parcel_code, r.named_code, r.is_unclear, 'owner' AS role, 'right' AS feed, r.record_key AS evidence_key,
    r.holder_code AS party_code, r.holder_name_key AS party_name_key, r.valid_from, r.valid_to
  FROM held AS r
  UNION ALL
  SELECT l.parcel_code, l.named_code, l.is_unclear, l.role, 'lease', l.lease_no,
    l.lessee_code, l.lessee_name_key, l.valid_from, l.valid_to
  FROM lease AS l
),
-- Of them those that are known by a name alone, and are no persons.
named_only AS (
  SELECT r.parcel_code, r.named_code, r.is_unclear, r.role, r.feed, r.evidence_key, r.party_name_key, r.valid_from, r.valid_to
  FROM party AS r
  JOIN derived.party_name AS o ON o.name_key = r.party_name_key
  WHERE r.party_code IS NULL
),
-- Leases that have run out, and who had them.
ended AS (
  SELECT e.enterprise_code, l.parcel_code
  FROM args
  CROSS JOIN enterprise AS e
  JOIN core.lease AS l ON l.to_run IS NULL AND l.lessee_code = e.credit_code
  WHERE l.valid_to <= args.as_of
  UNION
  SELECT e.enterprise_code, l.parcel_code
  FROM args
  CROSS JOIN enterprise AS e
  JOIN core.lease AS l ON l.to_run IS NULL AND l.lessee_code IS NULL AND l.lessee_name_key = e.name_key
  WHERE l.valid_to <= args.as_of
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
-- What names a parcel by its code: the registry, electricity accounts, the links of last year.
naming AS (
  SELECT e.enterprise_code, 'operator' AS role, 'registry_parcel' AS stage, 'registry_parcel_code' AS reason,
    e.enterprise_code AS evidence_key, n.parcel_code
  FROM enterprise AS e
  JOIN core.registry_parcel AS n ON n.enterprise_code = e.enterprise_code
  UNION ALL
  SELECT e.enterprise_code, 'operator', 'account', 'account_parcel', a.account_no, a.parcel_code
  FROM enterprise AS e
  JOIN core.account AS a ON a.to_run IS NULL AND a.enterprise_code = e.enterprise_code AND a.parcel_code IS NOT NULL
  UNION ALL
  SELECT e.enterprise_code, coalesce(k.role, 'operator'), 'past_link', 'past_link', k.record_key, k.parcel_code
  FROM enterprise AS e
  JOIN core.past_link AS k ON k.to_run IS NULL AND k.enterprise_code = e.enterprise_code
  WHERE k.year = (
    SELECT max(y.year) FROM core.past_link AS y WHERE y.to_run IS NULL AND y.enterprise_code = e.enterprise_code)
),
named AS (
  SELECT
    n.enterprise_code, n.role, n.stage, n.reason, n.evidence_key,
    coalesce(t.successor_code, n.parcel_code) AS parcel_code,
    CASE WHEN t.successor_code IS NOT NULL THEN n.parcel_code END AS named_code,
    coalesce(t.follow = 'candidate', false) AS is_unclear
  FROM naming AS n
  LEFT JOIN derived.parcel_successor AS t ON t.parcel_code = n.parcel_code AND t.follow <> 'rest'
),
-- The register says one enterprise by the code and another by the name: a person has to look.
other_name AS (
  SELECT DISTINCT e.enterprise_code, r.role, r.evidence_key
  FROM enterprise AS e
  JOIN party AS r ON r.party_code = e.credit_code AND r.party_name_key <> e.name_key
  JOIN core.enterprise AS o ON o.to_run IS NULL AND o.name_key = r.party_name_key
    AND o.enterprise_code <> e.enterprise_code
  WHERE NOT EXISTS (
    SELECT 1 FROM derived.enterprise_name AS n
    WHERE n.enterprise_code = e.enterprise_code AND n.name_key = r.party_name_key)
),
coded AS (
  SELECT
    e.enterprise_code, r.parcel_code, r.role,
    CASE r.feed WHEN 'right' THEN 'right_code' ELSE 'lease_code' END AS stage,
    CASE
      WHEN o.evidence_key IS NOT NULL THEN 'code_and_name_differ'
      WHEN r.feed = 'right' THEN 'right_holder_code'
      ELSE 'lessee_code'
    END AS reason,
    r.evidence_key, CAST(NULL AS numeric) AS score, CAST(NULL AS text) AS more,
    r.is_unclear OR o.evidence_key IS NOT NULL AS is_ambiguous, r.is_unclear, r.named_code, r.valid_from, r.valid_to
  FROM enterprise AS e
  JOIN party AS r ON r.party_code = e.credit_code
  LEFT JOIN other_name AS o
    ON o.enterprise_code = e.enterprise_code AND o.role = r.role AND o.evidence_key = r.evidence_key
  UNION ALL
  SELECT n.enterprise_code, n.parcel_code, n.role, n.stage, n.reason, n.evidence_key, NULL, NULL,
    n.is_unclear, n.is_unclear, n.named_code, NULL, NULL
  FROM named AS n
  JOIN core.parcel AS p ON p.to_run IS NULL AND p.parcel_code = n.parcel_code
  UNION ALL
  SELECT e.enterprise_code, r.parcel_code, 'operator', 'registry_certificate', 'registry_certificate_no',
    r.record_key, NULL, NULL, r.parcels > 1 OR r.is_unclear, r.is_unclear, r.named_code, NULL, NULL
  FROM enterprise AS e
  JOIN certificate AS r ON r.certificate_key = e.certificate_key
  UNION ALL
  -- What a person decided of a parcel that is no more, and whose land went to several.
  SELECT e.enterprise_code, d.parcel_code, coalesce(d.role, 'operator'), 'decision', 'decided_by_person',
    'decision ' || d.decision_id, NULL, NULL, true, true, d.named_code, NULL, NULL
  FROM enterprise AS e
  JOIN derived.decision_in_place AS d ON d.enterprise_code = e.enterprise_code
  WHERE d.kind = 'accept_link' AND d.is_unclear
),
-- Land and buildings drawn for the enterprise, each kind by itself.
drawn AS (
  SELECT
    e.enterprise_code,
    f.kind,
    p.parcel_code,
    min(f.footprint_code) AS footprint_code,
    sum(round(CAST(ST_Area(ST_Intersection(p.geom, f.geom)) AS numeric), 4)) AS area_m2
  FROM enterprise AS e
  JOIN core.footprint AS f ON f.to_run IS NULL AND f.enterprise_code = e.enterprise_code
  JOIN core.parcel AS p ON p.to_run IS NULL AND ST_Intersects(p.geom, f.geom)
  GROUP BY e.enterprise_code, f.kind, p.parcel_code
),
drawing AS (
  SELECT f.enterprise_code, f.kind, sum(f.plane_area_m2) AS area_m2
  FROM core.footprint AS f
  WHERE f.to_run IS NULL AND f.enterprise_code IN (SELECT e.enterprise_code FROM enterprise AS e)
  GROUP BY f.enterprise_code, f.kind
),
ranked AS (
  SELECT
    d.enterprise_code,
    d.kind,
    d.parcel_code,
    d.footprint_code,
    least(round(d.area_m2 / t.area_m2, 6), 1) AS share,
    row_number() OVER near AS place,
    lead(least(round(d.area_m2 / t.area_m2, 6), 1)) OVER near AS next_share
  FROM drawn AS d
  JOIN drawing AS t ON t.enterprise_code = d.enterprise_code AND t.kind = d.kind AND t.area_m2 > 0
  WHERE d.area_m2 > 0
  WINDOW near AS (PARTITION BY d.enterprise_code, d.kind ORDER BY d.area_m2 DESC, d.parcel_code)
),
judged_drawing AS (
  SELECT
    r.*,
    r.place > 1 OR r.share < args.min_share OR r.share - coalesce(r.next_share, 0) < args.footprint_gap AS is_ambiguous
  FROM args
  CROSS JOIN ranked AS r
),
-- How many enterprises carry a name: a name decides only when it is the only one.
name_count AS (
  SELECT o.name_key, count(DISTINCT o.enterprise_code) AS enterprises
  FROM derived.enterprise_name AS o
  JOIN core.enterprise AS c ON c.to_run IS NULL AND c.status = 'operating' AND c.enterprise_code = o.enterprise_code
  WHERE o.name_key IN (
    SELECT n.name_key FROM derived.enterprise_name AS n JOIN enterprise AS e ON e.enterprise_code = n.enterprise_code)
  GROUP BY o.name_key
),
-- The same name, now or formerly, where one of the two has no code to compare.
same_name AS (
  SELECT
    e.enterprise_code, r.parcel_code, r.role, r.feed, r.evidence_key, r.is_unclear, r.named_code, r.valid_from,
    r.valid_to, n.kind, e.is_person, c.enterprises,
    e.is_township_stated AND e.township_code = t.township_code AS is_same_township
  FROM enterprise AS e
  JOIN derived.enterprise_name AS n ON n.enterprise_code = e.enterprise_code
  JOIN name_count AS c ON c.name_key = n.name_key
  JOIN party AS r ON r.party_name_key = n.name_key AND (r.party_code IS NULL OR e.credit_code IS NULL)
  JOIN derived.parcel_township AS t ON t.parcel_code = r.parcel_code
),
-- The same core and trade, the same branch; place or form is missing on one side, and not another one.
alias AS (
  SELECT
    e.enterprise_code, o.name_key, e.is_person, e.township_code, e.is_township_stated
  FROM enterprise AS e
  JOIN derived.enterprise_name AS n ON n.enterprise_code = e.enterprise_code AND n.kind = 'current' AND n.body <> ''
  JOIN derived.party_name AS o ON o.body = n.body AND o.name_key <> n.name_key AND o.branch = n.branch
    AND (strpos(o.region, n.region) > 0 OR strpos(n.region, o.region) > 0)
    AND (o.form = '' OR n.form = '' OR o.form = n.form OR right(n.form, 2) = right(o.form, 2))
  WHERE NOT EXISTS (SELECT 1 FROM derived.enterprise_name AS x WHERE x.name_key = o.name_key)
),
-- Whoever else bears that core and trade: then an incomplete name says nothing.
alias_count AS (
  SELECT o.name_key, count(DISTINCT x.enterprise_code) AS enterprises
  FROM (SELECT DISTINCT a.name_key FROM alias AS a) AS o
  JOIN derived.party_name AS p ON p.name_key = o.name_key
  JOIN derived.enterprise_name AS x ON x.body = p.body AND x.kind = 'current'
  JOIN core.enterprise AS c ON c.to_run IS NULL AND c.status = 'operating' AND c.enterprise_code = x.enterprise_code
  GROUP BY o.name_key
),
named_party AS (
  SELECT
    s.enterprise_code, s.parcel_code, s.role, s.feed, s.evidence_key, s.is_unclear, s.named_code, s.valid_from,
    s.valid_to,
    CASE
      WHEN s.is_person THEN 'person_name'
      WHEN s.enterprises > 1 THEN 'name_not_unique'
      WHEN NOT s.is_same_township THEN 'name_alone'
      WHEN s.kind = 'former' THEN 'former_name'
      WHEN s.feed = 'right' THEN 'right_holder_name'
      ELSE 'lessee_name'
    END AS reason,
    s.is_person OR s.enterprises > 1 OR NOT s.is_same_township AS is_ambiguous,
    CASE WHEN s.kind = 'former' THEN 'name_incomplete' END AS more
  FROM same_name AS s
  UNION ALL
  SELECT
    a.enterprise_code, r.parcel_code, r.role, r.feed, r.evidence_key, r.is_unclear, r.named_code, r.valid_from,
    r.valid_to,
    CASE WHEN c.enterprises > 1 THEN 'name_not_unique' ELSE 'name_alias' END,
    a.is_person OR c.enterprises > 1 OR NOT a.is_township_stated OR a.township_code <> t.township_code,
    'name_incomplete'
  FROM alias AS a
  JOIN alias_count AS c ON c.name_key = a.name_key
  JOIN named_only AS r ON r.party_name_key = a.name_key
  JOIN derived.parcel_township AS t ON t.parcel_code = r.parcel_code
),
-- Whom no register names by the code: only there weak evidence is looked for.
unregistered AS (
  SELECT e.*
  FROM enterprise AS e
  WHERE NOT EXISTS (
    SELECT 1 FROM coded AS c
    WHERE c.enterprise_code = e.enterprise_code AND c.stage IN ('right_code', 'lease_code') AND NOT c.is_ambiguous
  )
),
-- Names that sound alike, or differ in one character.
alike AS (
  SELECT
    e.enterprise_code, o.name_key,
    CASE WHEN o.sound = n.sound THEN 'name_sounds_alike' ELSE 'name_one_character' END AS reason
  FROM enterprise AS e
  JOIN derived.enterprise_name AS n ON n.enterprise_code = e.enterprise_code AND NOT n.is_person
  JOIN derived.party_name AS o ON o.blocks && n.blocks AND o.body <> n.body
  WHERE o.branch = n.branch AND (strpos(o.region, n.region) > 0 OR strpos(n.region, o.region) > 0)
    AND NOT EXISTS (SELECT 1 FROM derived.enterprise_name AS x WHERE x.name_key = o.name_key)
),
weak AS (
  SELECT r.enterprise_code, r.parcel_code, 'operator' AS role,
    CASE r.kind WHEN 'land' THEN 'footprint_drawn' ELSE 'footprint_overlap' END AS stage,
    CASE
      WHEN r.kind = 'land' AND r.place = 1 THEN 'largest_drawing'
      WHEN r.kind = 'land' THEN 'smaller_drawing'
      WHEN r.place = 1 THEN 'largest_building'
      ELSE 'smaller_building'
    END AS reason,
    r.footprint_code AS evidence_key,
    CASE WHEN r.is_ambiguous THEN round(r.share * CAST(
      args.stage_score ->> CASE r.kind WHEN 'land' THEN 'footprint_drawn' ELSE 'footprint_overlap' END AS numeric
    ), 4) END AS score,
    CAST(NULL AS text) AS more, r.is_ambiguous,
    false AS is_unclear, CAST(NULL AS text) AS named_code, CAST(NULL AS date) AS valid_from, CAST(NULL AS date) AS valid_to
  FROM args
  CROSS JOIN judged_drawing AS r
  UNION ALL
  SELECT n.enterprise_code, n.parcel_code, n.role, CASE n.feed WHEN 'right' THEN 'right_name' ELSE 'lease_name' END,
    n.reason, n.evidence_key, NULL, n.more, n.is_ambiguous OR n.is_unclear, n.is_unclear, n.named_code, n.valid_from,
    n.valid_to
  FROM named_party AS n
  UNION ALL
  SELECT a.enterprise_code, a.parcel_code, 'operator', 'address', a.reason, a.parcel_code, NULL,
    CASE WHEN a.reason = 'address_equal' AND e.is_road_alias THEN 'road_similar' END,
    a.reason <> 'address_equal', false, NULL, NULL, NULL
  FROM derived.address_match AS a
  JOIN enterprise AS e ON e.enterprise_code = a.enterprise_code
  -- weak matches only of those whom no register names by the code
  WHERE a.reason = 'address_equal' OR EXISTS (SELECT 1 FROM unregistered AS u WHERE u.enterprise_code = a.enterprise_code)
  UNION ALL
  SELECT p.enterprise_code, p.parcel_code, 'operator', 'point',
    CASE
      WHEN p.is_beside THEN 'point_beside'
      WHEN p.is_tied OR p.place > 1 THEN 'point_tied'
      WHEN p.distance_m = 0 THEN 'point_inside'
      ELSE 'point_near'
    END,
    p.enterprise_code, NULL, CASE WHEN p.passes THEN 'road_passes' END,
    p.is_tied OR p.place > 1 OR p.is_beside, false, NULL, NULL, NULL
  FROM derived.point_match AS p
  JOIN enterprise AS e ON e.enterprise_code = p.enterprise_code
  UNION ALL
  SELECT s.enterprise_code, r.parcel_code, r.role, 'name_similar', s.reason, r.evidence_key, NULL, NULL,
    true, false, r.named_code, r.valid_from, r.valid_to
  FROM alike AS s
  JOIN named_only AS r ON r.party_name_key = s.name_key
  UNION ALL
  SELECT b.enterprise_code, r.parcel_code, 'operator', 'name_similar', 'parent_company', r.evidence_key, NULL, NULL,
    true, false, r.named_code, r.valid_from, r.valid_to
  FROM branch AS b
  JOIN unregistered AS u ON u.enterprise_code = b.enterprise_code
  JOIN party AS r ON r.party_code = b.credit_code
),
evidence AS (
  SELECT * FROM coded
  UNION ALL
  SELECT * FROM weak
),
address_count AS (
  SELECT a.enterprise_code, count(*) AS parcels
  FROM derived.address_match AS a
  JOIN enterprise AS e ON e.enterprise_code = a.enterprise_code
  WHERE a.reason = 'address_equal'
  GROUP BY a.enterprise_code
),
pair AS (
  SELECT DISTINCT c.enterprise_code, c.parcel_code
  FROM evidence AS c
  WHERE c.stage NOT IN ('right_code', 'lease_code', 'decision')
),
-- What is known of a pair besides the evidence itself.
known AS (
  SELECT
    c.enterprise_code,
    c.parcel_code,
    CASE
      WHEN e.township_code = '' OR t.township_code = '' THEN NULL
      WHEN e.township_code = t.township_code AND e.is_township_stated THEN 'township_agrees'
      WHEN e.township_code = t.township_code THEN 'township_likely'
      WHEN e.is_township_stated THEN 'township_differs'
    END AS township,
    CASE
      WHEN x.parcel_code IS NOT NULL THEN 'address_equal'
      -- it is the address of another parcel
      WHEN e.number IS NOT NULL AND o.parcels = 1 THEN 'address_elsewhere'
      WHEN e.village <> a.village THEN 'address_differs'
      WHEN e.road = a.road AND (e.number IS NULL OR a.number IS NULL) THEN 'address_road'
      WHEN e.road = a.road OR e.road <> a.road THEN 'address_differs'
    END AS address,
    CASE
      WHEN ST_Intersects(p.geom, e.geom) THEN 'point_inside'
      WHEN ST_DWithin(p.geom, e.geom, args.point_reach) THEN 'point_near'
      WHEN NOT ST_DWithin(p.geom, e.geom, args.point_far) THEN 'point_far'
    END AS point,
    CASE WHEN EXISTS (
      SELECT 1 FROM named_party AS n WHERE n.enterprise_code = c.enterprise_code AND n.parcel_code = c.parcel_code
    ) THEN 'name_agrees' END AS name,
    CASE WHEN z.parcel_code IS NOT NULL THEN 'lease_ended' END AS lease
  FROM args
  CROSS JOIN pair AS c
  JOIN enterprise AS e ON e.enterprise_code = c.enterprise_code
  JOIN core.parcel AS p ON p.to_run IS NULL AND p.parcel_code = c.parcel_code
  LEFT JOIN derived.parcel_township AS t ON t.parcel_code = c.parcel_code
  LEFT JOIN derived.parcel_address AS a ON a.parcel_code = c.parcel_code
  LEFT JOIN derived.address_match AS x
    ON x.enterprise_code = c.enterprise_code AND x.parcel_code = c.parcel_code AND x.reason = 'address_equal'
  LEFT JOIN address_count AS o ON o.enterprise_code = c.enterprise_code
  LEFT JOIN ended AS z ON z.enterprise_code = c.enterprise_code AND z.parcel_code = c.parcel_code
),
-- A part counts once: evidence does not agree with itself.
agreed AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role, c.stage, c.reason, c.evidence_key, c.is_ambiguous, c.is_unclear,
    c.named_code, c.valid_from, c.valid_to, c.more,
    coalesce(
      c.score, CAST(args.stage_score ->> c.reason AS numeric), CAST(args.stage_score ->> c.stage AS numeric), 0
    ) AS evidence,
    k.township,
    CASE WHEN c.stage <> 'address' AND (c.more IS DISTINCT FROM 'road_passes' OR k.address <> 'address_differs')
      THEN k.address END AS address,
    CASE WHEN c.stage <> 'point' THEN k.point END AS point,
    CASE WHEN c.stage NOT IN ('right_name', 'lease_name', 'name_similar') THEN k.name END AS name,
    -- where one lease ran out and another is in force, the one in force counts
    CASE WHEN c.stage <> 'lease_name' THEN k.lease END AS lease
  FROM args
  CROSS JOIN evidence AS c
  LEFT JOIN known AS k ON k.enterprise_code = c.enterprise_code AND k.parcel_code = c.parcel_code
    AND c.stage NOT IN ('right_code', 'lease_code', 'decision')
),
weighed AS (
  SELECT
    a.*,
    CAST(args.weight ->> a.township AS numeric) AS by_township,
    CAST(args.weight ->> a.address AS numeric) AS by_address,
    CAST(args.weight ->> a.point AS numeric) AS by_point,
    CAST(args.weight ->> a.name AS numeric) AS by_name,
    CAST(args.weight ->> a.lease AS numeric) AS by_lease,
    CAST(args.weight ->> a.more AS numeric) AS by_more
  FROM args
  CROSS JOIN agreed AS a
),
summed AS (
  SELECT
    w.*,
    least(greatest(w.evidence + coalesce(w.by_township, 0) + coalesce(w.by_address, 0) + coalesce(w.by_point, 0)
      + coalesce(w.by_name, 0) + coalesce(w.by_lease, 0) + coalesce(w.by_more, 0), 0), 1) AS score,
    jsonb_build_object('evidence', w.evidence)
    || CASE WHEN w.by_township <> 0 THEN jsonb_build_object(w.township, w.by_township) ELSE '{}' END
    || CASE WHEN w.by_address <> 0 THEN jsonb_build_object(w.address, w.by_address) ELSE '{}' END
    || CASE WHEN w.by_point <> 0 THEN jsonb_build_object(w.point, w.by_point) ELSE '{}' END
    || CASE WHEN w.by_name <> 0 THEN jsonb_build_object(w.name, w.by_name) ELSE '{}' END
    || CASE WHEN w.by_lease <> 0 THEN jsonb_build_object(w.lease, w.by_lease) ELSE '{}' END
    || CASE WHEN w.by_more <> 0 THEN jsonb_build_object(w.more, w.by_more) ELSE '{}' END AS parts
  FROM weighed AS w
),
-- Of two parcels that share an address, the one that more agrees with counts, if it is ahead by the gap.
rivalled AS (
  SELECT
    c.*,
    CASE WHEN c.reason = 'address_equal' THEN
      max(c.score) OVER other
    END AS rival
  FROM summed AS c
  WINDOW other AS (
    PARTITION BY c.enterprise_code, c.reason ORDER BY c.parcel_code
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW
  )
)
SELECT
  c.enterprise_code, c.parcel_code, c.role, c.stage, g.stage_no,
  CASE
    WHEN c.is_unclear THEN 'successor_unclear'
    WHEN c.rival IS NOT NULL AND c.score - c.rival < args.min_gap THEN 'address_not_unique'
    ELSE c.reason
  END AS reason,
  c.evidence_key, c.score, c.parts,
  c.is_ambiguous OR coalesce(c.score - c.rival < args.min_gap, false) AS is_ambiguous,
  c.named_code, c.valid_from, c.valid_to
FROM args
CROSS JOIN rivalled AS c
JOIN core.link_stage AS g ON g.stage = c.stage
