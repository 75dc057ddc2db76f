-- Links follow the lineage: whoever a row in force ties to a retired parcel has a link to what came of it, or
-- a person decided that. What gives way to newer rows, or has no successor, is listed as an issue.
-- One row: one enterprise that lost its land.
WITH args AS (
  SELECT CAST(:as_of AS date) AS as_of
),
enterprise AS (
  SELECT e.enterprise_code, e.credit_code
  FROM core.enterprise AS e
  WHERE e.to_run IS NULL AND e.status = 'operating'
),
tied AS (
  SELECT e.enterprise_code, r.parcel_code, r.named_code, r.record_key
  FROM args
  JOIN derived.right_in_place AS r ON r.named_code IS NOT NULL
    AND (r.valid_from IS NULL OR r.valid_from <= args.as_of)
    AND (r.valid_to IS NULL OR args.as_of < r.valid_to)
  JOIN enterprise AS e ON e.credit_code = r.holder_code
  UNION ALL
  SELECT e.enterprise_code, l.parcel_code, l.named_code, l.lease_no
  FROM args
  JOIN derived.lease_in_place AS l ON l.named_code IS NOT NULL
    AND (l.valid_from IS NULL OR l.valid_from <= args.as_of)
    AND (l.valid_to IS NULL OR args.as_of < l.valid_to)
  JOIN enterprise AS e ON e.credit_code = l.lessee_code
  UNION ALL
  SELECT e.enterprise_code, s.successor_code, s.parcel_code, e.enterprise_code
  FROM derived.parcel_successor AS s
  JOIN core.registry_parcel AS n ON n.parcel_code = s.parcel_code
  JOIN enterprise AS e ON e.enterprise_code = n.enterprise_code
  WHERE s.follow <> 'rest'
  UNION ALL
  SELECT e.enterprise_code, d.parcel_code, d.named_code, 'decision ' || d.decision_id
  FROM derived.decision_in_place AS d
  JOIN enterprise AS e ON e.enterprise_code = d.enterprise_code
  WHERE d.named_code IS NOT NULL AND d.kind = 'accept_link'
)
SELECT t.enterprise_code, t.parcel_code, t.named_code, t.record_key
FROM tied AS t
WHERE NOT EXISTS (
  SELECT 1 FROM derived.link AS k WHERE k.parcel_code = t.parcel_code AND k.enterprise_code = t.enterprise_code
) AND NOT EXISTS (
  SELECT 1
  FROM derived.decision_in_place AS d
  WHERE d.parcel_code = t.parcel_code AND d.enterprise_code = t.enterprise_code AND NOT d.is_unclear
)
