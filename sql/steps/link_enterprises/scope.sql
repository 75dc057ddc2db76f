-- Enterprises that changed, and those that share a name, certificate, address, parcel, right, lease
-- or drawing with anything that changed, before or after.
WITH args AS (
  SELECT
    CAST(:point_reach_m AS double precision) AS reach,
    CAST(:point_search_m AS double precision) AS search
),
changed AS (
  SELECT d.kind, d.key FROM ops.dirty AS d
),
-- With a parcel go its successors where it is retired, and the retired codes that lead to it.
touched AS (
  SELECT c.kind, c.key
  FROM changed AS c
  UNION
  SELECT c.kind, s.successor_code
  FROM changed AS c
  JOIN derived.parcel_successor AS s ON s.parcel_code = c.key
  WHERE c.kind = 'parcel'
  UNION
  SELECT c.kind, o.parcel_code
  FROM changed AS c
  JOIN derived.parcel_successor AS s ON s.parcel_code = c.key
  JOIN derived.parcel_successor AS o ON o.successor_code = s.successor_code
  WHERE c.kind = 'parcel'
  UNION
  SELECT c.kind, o.parcel_code
  FROM changed AS c
  JOIN derived.parcel_successor AS o ON o.successor_code = c.key
  WHERE c.kind = 'parcel'
),
-- And with it the codes, names and certificates of its rights and leases: a parcel may come after its papers.
dirty AS (
  SELECT t.kind, t.key
  FROM touched AS t
  UNION
  SELECT k.kind, k.key
  FROM touched AS t
  JOIN core."right" AS r ON r.parcel_code = t.key AND r.to_run IS NULL
  CROSS JOIN LATERAL (
    VALUES ('credit', r.holder_code), ('name', r.holder_name_key), ('certificate', r.certificate_key)
  ) AS k (kind, key)
  WHERE t.kind = 'parcel' AND k.key IS NOT NULL
  UNION
  SELECT k.kind, k.key
  FROM touched AS t
  JOIN core.lease AS l ON l.parcel_code = t.key AND l.to_run IS NULL
  CROSS JOIN LATERAL (VALUES ('credit', l.lessee_code), ('name', l.lessee_name_key)) AS k (kind, key)
  WHERE t.kind = 'parcel' AND k.key IS NOT NULL
),
-- A first or full run has every enterprise already; only the others are looked for by what they share.
clean AS MATERIALIZED (
  SELECT e.enterprise_code
  FROM core.enterprise AS e
  WHERE e.to_run IS NULL
    AND NOT EXISTS (SELECT 1 FROM changed AS c WHERE c.kind = 'enterprise' AND c.key = e.enterprise_code)
),
-- Versions of changed parcels; whose drawings and points lie near them is looked at again.
place AS (
  SELECT ST_Expand(p.geom, args.reach) AS geom, ST_Expand(p.geom, args.search) AS around
  FROM args
  CROSS JOIN dirty AS d
  JOIN core.parcel AS p ON p.parcel_code = d.key
  WHERE d.kind = 'parcel'
)
SELECT 'enterprise' AS kind, d.key
FROM dirty AS d
WHERE d.kind = 'enterprise'
UNION
-- Whether a point lies in the county is told by the townships.
SELECT 'enterprise', e.enterprise_code
FROM core.enterprise AS e
WHERE e.to_run IS NULL AND e.geom IS NOT NULL AND EXISTS (SELECT 1 FROM dirty AS d WHERE d.kind = 'area')
UNION
SELECT 'enterprise', w.enterprise_code
FROM (
  SELECT n.enterprise_code
  FROM dirty AS d
  JOIN derived.enterprise_name AS n ON n.name_key = d.key
  WHERE d.kind = 'name'
  UNION
  -- Names that sound alike or differ in one character, and incomplete ones.
  SELECT n.enterprise_code
  FROM dirty AS d
  JOIN derived.party_name AS o ON o.name_key = d.key
  JOIN derived.enterprise_name AS n ON n.blocks && o.blocks
  WHERE d.kind IN ('name', 'party')
  UNION
  SELECT n.enterprise_code
  FROM dirty AS d
  JOIN derived.enterprise_name AS n ON n.body = d.key
  WHERE d.kind = 'body'
  UNION
  -- A code and the name of another enterprise in one row.
  SELECT e.enterprise_code
  FROM dirty AS d
  JOIN core."right" AS r ON r.to_run IS NULL AND r.holder_name_key = d.key
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.credit_code = r.holder_code
  WHERE d.kind = 'name'
  UNION
  SELECT e.enterprise_code
  FROM dirty AS d
  JOIN core.lease AS l ON l.to_run IS NULL AND l.lessee_name_key = d.key
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.credit_code = l.lessee_code
  WHERE d.kind = 'name'
  UNION
  -- A branch is asked about on the land of its company.
  SELECT n.enterprise_code
  FROM dirty AS d
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.credit_code = d.key
  JOIN derived.enterprise_name AS m ON m.enterprise_code = e.enterprise_code
  JOIN derived.enterprise_name AS n ON n.body = m.body AND n.branch <> ''
  WHERE d.kind = 'credit'
  UNION
  -- Addresses on a road of which parcels changed: in their village; without one, in their township. One that
  -- has found its number is touched by that number alone.
  SELECT a.enterprise_code
  FROM (
    SELECT DISTINCT
      d.kind, split_part(d.key, '@', 1) AS road, split_part(d.key, '#', 1) AS place, split_part(d.key, '#', 2) AS number
    FROM dirty AS d
    WHERE d.kind IN ('road_place', 'road_town')
  ) AS d
  JOIN derived.address_in_place AS a ON a.road = d.road
  LEFT JOIN (
    SELECT DISTINCT m.enterprise_code FROM derived.address_match AS m WHERE m.reason = 'address_equal'
  ) AS m ON m.enterprise_code = a.enterprise_code
  WHERE CASE d.kind
    WHEN 'road_place' THEN a.village IS NOT NULL
      AND d.place IN (d.road || '@' || a.village, d.road || '@' || a.township_code, d.road || '@')
    ELSE a.village IS NULL
      AND (a.township_code = '' OR d.place IN (d.road || '@' || a.township_code, d.road || '@'))
  END AND (
    m.enterprise_code IS NULL OR d.number = '' OR a.number_to > a.number OR d.number = CAST(a.number AS text)
  )
  UNION
  SELECT a.enterprise_code
  FROM dirty AS d
  JOIN derived.enterprise_address AS a ON a.road = d.key OR a.village = d.key
  WHERE d.kind = 'place'
  UNION
  SELECT a.enterprise_code
  FROM dirty AS d
  JOIN derived.enterprise_address AS a ON a.park = d.key
  WHERE d.kind = 'park'
  UNION
  SELECT e.enterprise_code
  FROM dirty AS d
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.credit_code = d.key
  WHERE d.kind = 'credit'
  UNION
  SELECT e.enterprise_code
  FROM dirty AS d
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.certificate_key = d.key
  WHERE d.kind = 'certificate'
  UNION
  SELECT e.enterprise_code
  FROM dirty AS d
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.address_key = d.key
  WHERE d.kind = 'address'
  UNION
  SELECT e.enterprise_code
  FROM dirty AS d
  JOIN core.registry_parcel AS e ON e.parcel_code = d.key
  WHERE d.kind = 'parcel'
  UNION
  SELECT a.enterprise_code
  FROM dirty AS d
  JOIN core.account AS a ON a.to_run IS NULL AND a.parcel_code = d.key
  WHERE d.kind = 'parcel'
  UNION
  SELECT k.enterprise_code
  FROM dirty AS d
  JOIN core.past_link AS k ON k.to_run IS NULL AND k.parcel_code = d.key
  WHERE d.kind = 'parcel'
  UNION
  SELECT c.enterprise_code
  FROM dirty AS d
  JOIN derived.link_candidate AS c ON c.parcel_code = d.key
  WHERE d.kind = 'parcel'
  UNION
  SELECT c.enterprise_code
  FROM dirty AS d
  JOIN derived.link AS c ON c.parcel_code = d.key
  WHERE d.kind = 'parcel'
  UNION
  SELECT f.enterprise_code
  FROM place AS p
  JOIN core.footprint AS f ON f.to_run IS NULL AND f.enterprise_code IS NOT NULL AND f.geom && p.geom
  UNION
  SELECT e.enterprise_code
  FROM place AS p
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.geom && p.geom
  UNION
  -- A point that lies in no parcel is asked about those around it.
  SELECT e.enterprise_code
  FROM place AS p
  JOIN core.enterprise AS e ON e.to_run IS NULL AND e.geom && p.around
  WHERE NOT EXISTS (
    SELECT 1 FROM derived.point_match AS m WHERE m.enterprise_code = e.enterprise_code AND m.distance_m = 0)
  UNION
  -- A decision may name a parcel before it is delivered.
  SELECT n.enterprise_code
  FROM dirty AS d
  JOIN core.current_decision AS n ON n.parcel_code = d.key
  WHERE d.kind = 'parcel'
) AS w
WHERE EXISTS (SELECT 1 FROM clean)
