-- How the reference area of each parcel is shared among its users, by the ladder of docs/sources.md, 1.7
-- as written down in docs/how-it-decides.md section 4. All arithmetic is exact (numeric, 0.0001 m2).
-- One row: one user of one parcel; enterprise_code '' is what no user gets (rest), what users share
-- undivided, or all of the parcel where the signed areas cannot all be true (conflict).
WITH args AS (
  SELECT CAST(:as_of AS date) AS as_of
),
parcel AS (
  SELECT p.parcel_code, p.reference_area_m2 AS area, p.geom
  FROM core.parcel AS p
  JOIN ops.scope AS s
    ON s.step = 'allocate_parcels' AND s.kind = 'parcel' AND s.key = p.parcel_code
  WHERE p.to_run IS NULL
),
usage AS (
  SELECT
    l.parcel_code,
    l.enterprise_code,
    (array_agg(l.role ORDER BY array_position(ARRAY['owner', 'tenant', 'sub_tenant', 'operator'], l.role)))[1] AS role
  FROM parcel AS p
  JOIN derived.link AS l ON l.parcel_code = p.parcel_code AND l.status = 'accepted'
  GROUP BY l.parcel_code, l.enterprise_code
),
"user" AS (
  SELECT u.parcel_code, u.enterprise_code, u.role, e.credit_code, e.name_key
  FROM usage AS u
  JOIN core.enterprise AS e ON e.enterprise_code = u.enterprise_code AND e.to_run IS NULL
),
-- By what a lease may name a user of its parcel: the code, or where it has none the name. One text, for
-- parcel, code and name apart look so rare together that the plan becomes a loop over all leases.
party AS (
  SELECT u.parcel_code, u.enterprise_code, u.parcel_code || ' code ' || u.credit_code AS party
  FROM "user" AS u
  WHERE u.credit_code IS NOT NULL
  UNION ALL
  SELECT u.parcel_code, u.enterprise_code, u.parcel_code || ' name ' || u.name_key
  FROM "user" AS u
  WHERE u.name_key IS NOT NULL
),
lease AS (
  SELECT
    l.lease_no,
    l.parcel_code,
    l.parcel_code || coalesce(' code ' || l.lessor_code, ' name ' || l.lessor_name_key) AS lessor_party,
    l.land_area_m2,
    l.floor_area_m2,
    u.enterprise_code AS lessee,
    array_agg(u.enterprise_code) OVER (PARTITION BY l.parcel_code) AS lessees
  FROM args
  JOIN derived.lease_in_place AS l ON NOT l.is_unclear
    AND (l.valid_from IS NULL OR l.valid_from <= args.as_of)
    AND (l.valid_to IS NULL OR args.as_of < l.valid_to)
  JOIN party AS u
    ON u.party = l.parcel_code || coalesce(' code ' || l.lessee_code, ' name ' || l.lessee_name_key)
),
-- With the tenant that a sub-lease takes its land from.
chained AS (
  SELECT
    l.lease_no, l.parcel_code, l.lessee, l.land_area_m2, l.floor_area_m2, min(u.enterprise_code) AS lessor
  FROM lease AS l
  LEFT JOIN party AS u
    ON u.party = l.lessor_party AND u.enterprise_code <> l.lessee AND u.enterprise_code = ANY (l.lessees)
  GROUP BY l.lease_no, l.parcel_code, l.lessee, l.land_area_m2, l.floor_area_m2
),
leased AS (
  SELECT
    c.parcel_code,
    c.lessee AS enterprise_code,
    sum(c.land_area_m2) AS land_in,
    sum(c.floor_area_m2) AS floor_in,
    sum(c.land_area_m2) FILTER (WHERE c.lessor IS NULL) AS land_first,
    array_agg(c.lease_no ORDER BY c.lease_no) AS lease_nos
  FROM chained AS c
  GROUP BY c.parcel_code, c.lessee
),
sublet AS (
  SELECT c.parcel_code, c.lessor AS enterprise_code, sum(c.land_area_m2) AS land_out
  FROM chained AS c
  WHERE c.lessor IS NOT NULL
  GROUP BY c.parcel_code, c.lessor
),
registered AS (
  SELECT
    u.parcel_code,
    u.enterprise_code,
    -- parts of merged land are known to a millionth
    CASE WHEN abs(sum(r.share) - 1) <= 0.00001 THEN 1 ELSE sum(r.share) END AS share,
    array_agg(r.record_key ORDER BY r.record_key) AS right_keys
  FROM args
  CROSS JOIN "user" AS u
  JOIN derived.right_in_place AS r ON r.parcel_code = u.parcel_code AND NOT r.is_unclear
    AND (r.valid_from IS NULL OR r.valid_from <= args.as_of)
    AND (r.valid_to IS NULL OR args.as_of < r.valid_to)
    AND (r.holder_code = u.credit_code OR (r.holder_code IS NULL AND r.holder_name_key = u.name_key))
  GROUP BY u.parcel_code, u.enterprise_code
),
drawn AS (
  SELECT
    u.parcel_code,
    u.enterprise_code,
    sum(round(CAST(ST_Area(ST_Intersection(p.geom, f.geom)) AS numeric), 4)) FILTER (WHERE f.kind = 'land') AS land,
    sum(coalesce(f.floor_area_m2, f.plane_area_m2 * coalesce(f.floors, 1))) FILTER (WHERE f.kind <> 'land') AS floor,
    array_agg(f.footprint_code ORDER BY f.footprint_code) AS footprint_codes
  FROM "user" AS u
  JOIN parcel AS p ON p.parcel_code = u.parcel_code
  JOIN core.footprint AS f ON f.to_run IS NULL AND f.enterprise_code = u.enterprise_code
    AND ST_Intersects(p.geom, f.geom)
  GROUP BY u.parcel_code, u.enterprise_code
),
-- What is known of each user: signed land (net of what it sublets), share, drawn land, floor.
known AS (
  SELECT
    u.parcel_code,
    u.enterprise_code,
    u.role,
    CASE WHEN u.role IN ('tenant', 'sub_tenant') THEN l.land_in - coalesce(s.land_out, 0) END AS signed,
    l.land_first,
    r.share,
    nullif(d.land, 0) AS land,
    nullif(coalesce(l.floor_in, d.floor), 0) AS floor,
    coalesce(l.lease_nos, CAST(ARRAY[] AS text[])) || coalesce(r.right_keys, CAST(ARRAY[] AS text[]))
      || coalesce(d.footprint_codes, CAST(ARRAY[] AS text[])) AS evidence_keys,
    count(*) OVER every AS users,
    p.area
  FROM parcel AS p
  JOIN "user" AS u ON u.parcel_code = p.parcel_code
  LEFT JOIN leased AS l ON l.parcel_code = u.parcel_code AND l.enterprise_code = u.enterprise_code
  LEFT JOIN sublet AS s ON s.parcel_code = u.parcel_code AND s.enterprise_code = u.enterprise_code
  LEFT JOIN registered AS r ON r.parcel_code = u.parcel_code AND r.enterprise_code = u.enterprise_code
  LEFT JOIN drawn AS d ON d.parcel_code = u.parcel_code AND d.enterprise_code = u.enterprise_code
  WINDOW every AS (PARTITION BY u.parcel_code)
),
judged AS (
  SELECT
    k.*,
    greatest(
      coalesce(sum(k.land_first) FILTER (WHERE k.role <> 'owner') OVER every, 0),
      -- Sub-leases that lead back to each other have no first level.
      coalesce(sum(k.signed) OVER every, 0)
    ) > k.area
      OR coalesce(bool_or(k.signed < 0) OVER every, false)
      OR coalesce(sum(k.share) OVER every, 0) > 1.000001 AS is_conflict,
    k.area - coalesce(sum(k.signed) OVER every, 0) AS remaining,
    -- The users that signed nothing share what remains by the first rung that all of them reach.
    count(*) FILTER (WHERE k.signed IS NULL) OVER every AS others,
    count(*) FILTER (WHERE k.signed IS NULL AND k.share IS NOT NULL) OVER every AS with_share,
    count(*) FILTER (WHERE k.signed IS NULL AND k.land IS NOT NULL) OVER every AS with_land,
    count(*) FILTER (WHERE k.signed IS NULL AND k.floor IS NOT NULL) OVER every AS with_floor,
    sum(k.share) FILTER (WHERE k.signed IS NULL) OVER every AS all_share,
    sum(k.land) FILTER (WHERE k.signed IS NULL) OVER every AS all_land,
    sum(k.floor) FILTER (WHERE k.signed IS NULL) OVER every AS all_floor
  FROM known AS k
  WINDOW every AS (PARTITION BY k.parcel_code)
),
rung AS (
  SELECT
    j.*,
    CASE
      WHEN j.is_conflict THEN 'conflict'
      WHEN j.signed IS NOT NULL THEN 'signed'
      WHEN j.users = 1 THEN 'sole'
      WHEN j.others = 1 AND j.share IS NULL THEN 'remainder'
      WHEN j.with_share = j.others THEN 'share'
      WHEN j.with_land = j.others AND j.all_land <= j.remaining THEN 'footprint'
      WHEN j.with_floor = j.others THEN 'floor'
      ELSE 'undivided'
    END AS method
  FROM judged AS j
),
-- Exact amounts, and what they should come to together on the rungs that divide by proportion.
raw_amount AS (
  SELECT
    r.*,
    CASE r.method
      WHEN 'signed' THEN r.signed
      WHEN 'sole' THEN r.area * CASE WHEN r.role = 'owner' THEN coalesce(r.share, 1) ELSE 1 END
      WHEN 'remainder' THEN r.remaining
      WHEN 'share' THEN r.remaining * CASE WHEN abs(r.all_share - 1) <= 0.000001 THEN r.share / r.all_share ELSE r.share END
      WHEN 'footprint' THEN r.land
      WHEN 'floor' THEN r.remaining * r.floor / r.all_floor
      ELSE 0
    END AS amount,
    CASE r.method
      WHEN 'share' THEN CASE WHEN abs(r.all_share - 1) <= 0.000001 THEN r.remaining ELSE r.remaining * r.all_share END
      WHEN 'floor' THEN r.remaining
    END AS together
  FROM rung AS r
),
floored AS (
  SELECT
    a.*,
    trunc(a.amount, 4) AS base,
    row_number() OVER (
      PARTITION BY a.parcel_code, a.method ORDER BY a.amount - trunc(a.amount, 4) DESC, a.enterprise_code
    ) AS place
  FROM raw_amount AS a
),
-- Largest remainder: the missing ten-thousandths go to the largest fractions.
amounted AS (
  SELECT
    f.*,
    f.base + CASE
      WHEN f.together IS NOT NULL
        AND f.place <= (trunc(f.together, 4) - sum(f.base) OVER (PARTITION BY f.parcel_code, f.method)) * 10000
        THEN 0.0001
      ELSE 0
    END AS allocated_m2
  FROM floored AS f
),
rest AS (
  SELECT
    p.parcel_code,
    p.area,
    p.area - coalesce(sum(a.allocated_m2), 0) AS area_m2,
    coalesce(bool_or(a.method = 'conflict'), false) AS is_conflict,
    coalesce(bool_or(a.method = 'undivided'), false) AS is_undivided
  FROM parcel AS p
  LEFT JOIN amounted AS a ON a.parcel_code = p.parcel_code
  GROUP BY p.parcel_code, p.area
)
SELECT
  a.parcel_code,
  a.enterprise_code,
  a.role,
  a.method,
  a.allocated_m2,
  round(coalesce(a.allocated_m2 / nullif(a.area, 0), 0), 12) AS share,
  a.method = 'undivided' AS is_undivided,
  a.evidence_keys
FROM amounted AS a
UNION ALL
SELECT
  r.parcel_code,
  '',
  '',
  CASE WHEN r.is_conflict THEN 'conflict' WHEN r.is_undivided THEN 'undivided' ELSE 'rest' END,
  r.area_m2,
  round(coalesce(r.area_m2 / nullif(r.area, 0), 0), 12),
  r.is_undivided AND NOT r.is_conflict,
  CAST(ARRAY[] AS text[])
FROM rest AS r
