-- Invariant 10: every link, share and issue leads back to rows that are held.
-- Whether every record leads to a delivery in force is looked at by a full run and by diqi check, which
-- leaves out the feeds of which a delivery came or went since the last run.
-- One row: one result without evidence, or whose enterprise or parcel is not held.
SELECT 'link' AS result, l.enterprise_code || ' ' || l.parcel_code AS subject
FROM derived.link AS l
WHERE cardinality(l.evidence_keys) = 0
  OR NOT EXISTS (SELECT 1 FROM core.enterprise AS e WHERE e.enterprise_code = l.enterprise_code AND e.to_run IS NULL)
  OR NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = l.parcel_code AND p.to_run IS NULL)
UNION ALL
SELECT 'allocation', a.enterprise_code || ' ' || a.parcel_code
FROM derived.allocation AS a
WHERE a.enterprise_code <> '' AND NOT EXISTS (
  SELECT 1
  FROM derived.link AS l
  WHERE l.enterprise_code = a.enterprise_code AND l.parcel_code = a.parcel_code AND l.status = 'accepted'
)
UNION ALL
SELECT 'record', r.feed || ' ' || r.record_key
FROM core.open_record AS r
LEFT JOIN (
  SELECT d.feed, l.key
  FROM (SELECT DISTINCT v.feed FROM ops.delivery AS v) AS d
  CROSS JOIN LATERAL ops.live_row(d.feed) AS l
) AS l ON l.feed = r.feed AND l.key = r.record_key
WHERE CAST(:is_full AS boolean) AND l.key IS NULL AND NOT (
  EXISTS (SELECT 1 FROM ops.run_commit AS m WHERE m.run_id = CAST(:run_id AS integer))
  AND EXISTS (
    SELECT 1
    FROM ops.delivery AS p
    WHERE p.feed = r.feed
      AND (p.state = 'loaded' OR (p.state IN ('held', 'withdrawn') AND p.consumed_run IS NOT NULL))
  )
)
