-- Records whose delivered content differs from what is held, in the feeds of which a delivery came
-- or went; records with a correction that is new or ended; the run itself, for the lineage.
-- One row: one record key (kind = feed).
WITH args AS (
  SELECT
    CAST(:feeds AS text[]) AS feeds,
    CAST(:is_full AS boolean) AS is_full,
    CAST(:run_id AS integer) AS run_id
),
-- A full run looks at every feed that was ever delivered.
feed AS (
  SELECT DISTINCT d.feed
  FROM args, ops.delivery AS d
  WHERE args.is_full OR d.feed = ANY (args.feeds)
),
record AS (
  SELECT f.feed AS kind, r.key
  FROM args
  CROSS JOIN feed AS f
  CROSS JOIN LATERAL (
    SELECT coalesce(l.key, o.record_key) AS key, l.row_hash AS row_hash_new, o.row_hash AS row_hash_held
    FROM ops.live_row(f.feed) AS l
    FULL JOIN (SELECT c.record_key, c.row_hash FROM core.open_record AS c WHERE c.feed = f.feed) AS o
      ON o.record_key = l.key
  ) AS r
  WHERE args.is_full OR r.row_hash_new IS DISTINCT FROM r.row_hash_held
  UNION
  -- A correction of a record that is not held has no record above.
  SELECT c.feed, c.key
  FROM args
  CROSS JOIN core.correction AS c
  WHERE args.is_full
  UNION
  SELECT substr(d.kind, length('correct:') + 1), d.key
  FROM ops.dirty AS d
  WHERE d.kind LIKE 'correct:%'
)
SELECT r.kind, r.key
FROM record AS r
UNION
SELECT 'issue_subject', r.key
FROM record AS r
JOIN core.correction AS c ON c.feed = r.kind AND c.key = r.key
UNION
SELECT 'run', CAST(args.run_id AS text)
FROM args
