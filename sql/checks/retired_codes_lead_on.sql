-- Links follow the lineage: whoever a row in force ties to a retired parcel has a link to what came of it,
-- accepted, asked or refused; unless newer rows stand there. One row: one enterprise that lost its land.
WITH args AS (
  SELECT CAST(:as_of AS date) AS as_of
),
enterprise AS (
  SELECT e.enterprise_code, e.credit_code, e.parcel_code
  FROM core.enterprise AS e
  WHERE e.to_run IS NULL AND e.status = 'operating'
),
retired AS (
  SELECT DISTINCT s.parcel_code FROM derived.parcel_successor AS s
),
tied AS (
  SELECT e.enterprise_code, r.parcel_code, r.record_key
  FROM args
  CROSS JOIN retired AS t
  JOIN core."right" AS r ON r.parcel_code = t.parcel_code AND r.to_run IS NULL AND r.right_state = 'current'
    AND (r.valid_from IS NULL OR r.valid_from <= args.as_of)
    AND (r.valid_to IS NULL OR args.as_of < r.valid_to)
  JOIN enterprise AS e ON e.credit_code = r.holder_code
  WHERE NOT EXISTS (
    SELECT 1
    FROM derived.parcel_successor AS s
    JOIN core."right" AS n ON n.parcel_code = s.successor_code AND n.to_run IS NULL AND n.right_state = 'current'
    WHERE s.parcel_code = t.parcel_code
  )
  UNION ALL
  SELECT e.enterprise_code, l.parcel_code, l.lease_no
  FROM args
  CROSS JOIN retired AS t
  JOIN core.lease AS l ON l.parcel_code = t.parcel_code AND l.to_run IS NULL
    AND (l.valid_from IS NULL OR l.valid_from <= args.as_of)
    AND (l.valid_to IS NULL OR args.as_of < l.valid_to)
  JOIN enterprise AS e ON e.credit_code = l.lessee_code
  WHERE NOT EXISTS (
    SELECT 1
    FROM derived.parcel_successor AS s
    JOIN core.lease AS n ON n.parcel_code = s.successor_code AND n.to_run IS NULL AND n.lessee_code = l.lessee_code
    WHERE s.parcel_code = t.parcel_code
  )
  UNION ALL
  SELECT e.enterprise_code, e.parcel_code, e.enterprise_code
  FROM retired AS t
  JOIN enterprise AS e ON e.parcel_code = t.parcel_code
  UNION ALL
  SELECT e.enterprise_code, d.parcel_code, 'decision ' || d.decision_id
  FROM retired AS t
  JOIN core.current_decision AS d ON d.parcel_code = t.parcel_code AND d.kind = 'accept_link'
  JOIN enterprise AS e ON e.enterprise_code = d.enterprise_code
)
SELECT t.enterprise_code, t.parcel_code, t.record_key
FROM tied AS t
WHERE NOT EXISTS (
  SELECT 1
  FROM derived.parcel_successor AS s
  JOIN derived.link AS k ON k.parcel_code = s.successor_code AND k.enterprise_code = t.enterprise_code
  WHERE s.parcel_code = t.parcel_code
)
