-- Records whose delivered content differs from what is held, in the feeds of which a delivery came
-- or went; records with a correction that is new or ended, and the parcels that hold the land of such a
-- one; the run itself, for the lineage.
-- One row: one record key (kind = feed).
WITH RECURSIVE args AS (
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
),
-- A correction of a retired parcel may go over to a later one.
later AS (
  SELECT r.key COLLATE "C" AS key, CAST(0 AS integer) AS run_id
  FROM record AS r
  WHERE r.kind = 'parcel'
  UNION
  SELECT n.new_parcel_code, n.run_id
  FROM later AS t
  JOIN core.parcel_lineage AS n ON n.old_parcel_code = t.key AND n.run_id > t.run_id
)
SELECT r.kind, r.key
FROM record AS r
UNION
SELECT 'parcel', t.key
FROM later AS t
UNION
SELECT 'issue_subject', r.key
FROM record AS r
JOIN core.correction AS c ON c.feed = r.kind AND c.key = r.key
UNION
-- What became of the correction of a parcel that was retired long ago, or goes in this run.
SELECT 'issue_subject', c.key
FROM core.correction AS c
WHERE c.feed = 'parcel' AND EXISTS (SELECT 1 FROM record AS r WHERE r.kind = 'parcel')
  AND NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = c.key AND p.to_run IS NULL)
UNION
SELECT 'run', CAST(args.run_id AS text)
FROM args
