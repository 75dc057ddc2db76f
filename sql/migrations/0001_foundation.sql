-- Schemas by life, the ledger, and the three functions through which every table is written.
-- Placeholders replaced by the migration runner, as integers: :srid (the county's projected CRS)
-- and :area_srid (cylindrical equal-area plane of the same ellipsoid).

CREATE SCHEMA raw;
CREATE SCHEMA core;
CREATE SCHEMA derived;
CREATE SCHEMA layers;
CREATE SCHEMA ops;
CREATE SCHEMA secure;
COMMENT ON SCHEMA raw IS 'Delivered rows, cleaned, content once; kept';
COMMENT ON SCHEMA core IS 'Records with history, decisions, corrections; kept';
COMMENT ON SCHEMA derived IS 'What the steps compute; may be dropped and rebuilt';
COMMENT ON SCHEMA layers IS 'What people open; may be dropped and rebuilt';
COMMENT ON SCHEMA ops IS 'Runs, deliveries, issues, dirty keys';
COMMENT ON SCHEMA secure IS 'Personal data of natural persons';

CREATE TABLE ops.migration (
  name text COLLATE "C" PRIMARY KEY,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE ops.migration IS 'One row per applied migration file';

-- Constants of this database, set once when it is made.
CREATE TABLE ops.constant (
  name text COLLATE "C" PRIMARY KEY,
  value text NOT NULL
);
COMMENT ON TABLE ops.constant IS 'Constants of this database: srid, area_srid, county_code';
INSERT INTO ops.constant (name, value)
VALUES ('srid', ':srid'), ('area_srid', ':area_srid');

-- The ledger. ops.run is written by the ledger connection alone; ops.run_commit by the run itself.
CREATE TABLE ops.run (
  run_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  as_of date NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  is_full boolean NOT NULL DEFAULT false,
  host text NOT NULL,
  client_pid integer NOT NULL,
  backend_pid integer NOT NULL,
  version text NOT NULL,
  result text CHECK (result IN ('published', 'refused', 'stopped', 'failed')),
  error_code text,
  error_params jsonb,
  finding jsonb
);
COMMENT ON TABLE ops.run IS 'Every run that was begun; written on the ledger connection alone';

CREATE TABLE ops.run_commit (
  run_id integer PRIMARY KEY,
  as_of date NOT NULL,
  data_year integer NOT NULL,
  vintage integer,
  step_count jsonb NOT NULL,
  fingerprint jsonb NOT NULL,
  layer_hash jsonb NOT NULL,
  change jsonb NOT NULL,
  accepted jsonb,
  finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE ops.run_commit IS 'Every run that was published; written inside the run';

-- A run is published when its commit row exists, running while its backend holds the run lock
-- (advisory lock 'diqi'), else what the ledger wrote, else it died.
CREATE VIEW ops.run_state AS
SELECT
  r.run_id,
  r.as_of,
  r.started_at,
  coalesce(c.finished_at, r.finished_at) AS finished_at,
  r.is_full,
  r.host,
  r.client_pid,
  r.version,
  CASE
    WHEN c.run_id IS NOT NULL THEN 'published'
    WHEN r.result IS NOT NULL THEN r.result
    WHEN EXISTS (
      SELECT 1
      FROM pg_locks AS l
      WHERE l.locktype = 'advisory' AND l.pid = r.backend_pid AND l.granted
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
        AND r.run_id = (SELECT max(m.run_id) FROM ops.run AS m)
    ) THEN 'running'
    ELSE 'died'
  END AS state,
  r.error_code,
  r.error_params,
  coalesce(c.step_count, r.finding -> 'steps') AS step_count,
  coalesce(c.change, r.finding -> 'change') AS change,
  c.accepted,
  c.layer_hash,
  c.data_year,
  c.vintage
FROM ops.run AS r
LEFT JOIN ops.run_commit AS c ON c.run_id = r.run_id;
COMMENT ON VIEW ops.run_state IS 'State of every run: published, running, refused, stopped, failed, died';

CREATE TABLE ops.delivery (
  delivery_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  feed text COLLATE "C" NOT NULL,
  scope text[] COLLATE "C",
  data_date date NOT NULL,
  since date,
  parts text[] COLLATE "C",
  is_dated boolean NOT NULL DEFAULT true,
  takes_out boolean NOT NULL DEFAULT false,
  content_hash text NOT NULL,
  contract_hash text NOT NULL,
  file text NOT NULL,
  layer text NOT NULL,
  source_crs text,
  source_encoding text,
  state text NOT NULL DEFAULT 'loaded'
    CHECK (state IN ('loaded', 'consumed', 'refused', 'held', 'withdrawn')),
  consumed_run integer,
  row_count integer NOT NULL DEFAULT 0,
  kept_count integer NOT NULL DEFAULT 0,
  unchanged_count integer NOT NULL DEFAULT 0,
  quarantined_count integer NOT NULL DEFAULT 0,
  carried_count integer NOT NULL DEFAULT 0,
  detail jsonb NOT NULL DEFAULT '{}'
);
-- A delivery is known by what it says, not by when it came: the loader looks it up by this.
CREATE INDEX delivery_identity ON ops.delivery (
  feed, coalesce(scope, ARRAY[]::text[]), data_date, coalesce(since, data_date), content_hash, contract_hash
);
COMMENT ON TABLE ops.delivery IS 'One row per delivered file and layer: a snapshot of its scope and parts, or since a day what changed';

-- No foreign key: the loader writes a delivery and its rows together, and looking 300,000 rows up one
-- by one costs as much as storing them; the check delivered_rows_add_up holds the two together.
CREATE TABLE ops.delivered (
  delivery_id integer NOT NULL,
  row_number integer NOT NULL,
  key text COLLATE "C",
  has_person boolean NOT NULL DEFAULT false,
  scope_key text COLLATE "C",
  part text COLLATE "C",
  source_hash bytea,
  row_hash bytea,
  outcome text NOT NULL CHECK (outcome IN ('kept', 'unchanged', 'quarantined', 'carried')),
  PRIMARY KEY (delivery_id, row_number)
);
-- ops.live_row looks rows up by key within a delivery.
CREATE INDEX delivered_key ON ops.delivered (delivery_id, key);
-- In a delivery of changes, a row that is kept and leads nowhere takes its key out; a carried row, with a
-- negative number, is one of the year before that the package of a new year left as it was.
COMMENT ON TABLE ops.delivered IS 'Every delivered row and what became of it; row_hash leads to raw.<feed>';

-- Problems. Rows of a delivery carry delivery_id and are written by the loader; rows of a step
-- carry its name and are written by replace_rows in the step's scope (subject_key).
CREATE TABLE ops.issue (
  issue_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  step text COLLATE "C" NOT NULL,
  rule text COLLATE "C" NOT NULL,
  severity text NOT NULL CHECK (severity IN ('error', 'warning', 'notice')),
  feed text COLLATE "C" NOT NULL,
  subject_key text COLLATE "C" NOT NULL,
  detail_key text COLLATE "C" NOT NULL DEFAULT '',
  delivery_id integer REFERENCES ops.delivery,
  row_number integer,
  field text,
  value text,
  params jsonb NOT NULL DEFAULT '{}',
  size_m2 numeric
);
CREATE UNIQUE INDEX issue_key ON ops.issue (step, rule, subject_key, detail_key)
WHERE delivery_id IS NULL;
-- Listing and publishing the issues of a delivery.
CREATE INDEX issue_delivery ON ops.issue (delivery_id) WHERE delivery_id IS NOT NULL;
COMMENT ON TABLE ops.issue IS 'Bad rows, doubts and findings: rule, subject, what to do is in the message of the rule';

-- What changed since the last run, and what a step recomputes. Unlogged; ops.dirty is emptied by each
-- run, ops.scope by each step. They are read whole, so an index would cost more than it gives.
CREATE UNLOGGED TABLE ops.dirty (
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL
);
COMMENT ON TABLE ops.dirty IS 'Keys whose records or results changed in this run';
CREATE UNLOGGED TABLE ops.scope (
  step text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL
);
COMMENT ON TABLE ops.scope IS 'Keys that the step under way recomputes';

-- Shapes of versions that are taken back while an earlier state is shown: they are gone from core when the
-- steps look for what lay beside them. Outside of that transaction the table is empty.
CREATE UNLOGGED TABLE ops.dirty_shape (
  kind text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  geom geometry NOT NULL
);
COMMENT ON TABLE ops.dirty_shape IS 'Shapes of versions that are taken back while an earlier state is shown';

-- Which rows that people entered a published run has already taken into account.
CREATE TABLE ops.act_seen (
  kind text COLLATE "C" NOT NULL,
  act_id bigint NOT NULL,
  run_id integer NOT NULL,
  PRIMARY KEY (kind, act_id)
);
COMMENT ON TABLE ops.act_seen IS 'Decisions and corrections that a published run has seen';

-- The rows of a feed that are in force: for each key the newest row of an active delivery, unless a
-- later active snapshot speaks for the place and part (survey year, data year) it stood for, or a later
-- delivery of changes takes it out. A later row that was quarantined does not cover: the last good row of
-- that key stays in force, so a bad row never removes a record.
CREATE FUNCTION ops.live_row(feed_name text)
RETURNS TABLE (key text, row_hash bytea, delivery_id integer, row_number integer)
LANGUAGE sql STABLE
ROWS 10000
AS $$
  WITH active AS (
    SELECT
      d.delivery_id, d.scope, d.parts, d.since IS NOT NULL AS is_changes,
      row_number() OVER (ORDER BY d.data_date, d.delivery_id) AS place
    FROM ops.delivery AS d
    WHERE d.feed = feed_name AND d.state IN ('loaded', 'consumed')
  ),
  -- Nothing of a delivery stands behind a county-wide snapshot of all its parts, but for keys that a later
  -- one quarantined.
  standing_delivery AS (
    SELECT a.delivery_id, a.scope, a.place
    FROM active AS a
    WHERE NOT EXISTS (
      SELECT 1
      FROM active AS b
      WHERE b.place > a.place AND NOT b.is_changes AND b.scope IS NULL AND (b.parts IS NULL OR a.parts <@ b.parts)
    )
  ),
  quarantined AS (
    SELECT r.key, r.delivery_id
    FROM active AS a
    JOIN ops.delivered AS r ON r.delivery_id = a.delivery_id
    WHERE r.outcome = 'quarantined' AND r.key IS NOT NULL
  ),
  -- LATERAL with OFFSET: there are few deliveries of changes, and each is found by the index.
  taken_out AS (
    SELECT t.key, a.place
    FROM active AS a
    CROSS JOIN LATERAL (
      SELECT r.key
      FROM ops.delivered AS r
      WHERE r.delivery_id = a.delivery_id AND r.row_hash IS NULL AND r.outcome = 'kept'
      OFFSET 0
    ) AS t
    WHERE a.is_changes
  ),
  candidate AS (
    SELECT r.key, r.row_hash, r.delivery_id, r.row_number, r.scope_key, r.part, a.scope, a.place
    FROM standing_delivery AS a
    JOIN ops.delivered AS r ON r.delivery_id = a.delivery_id
    WHERE r.row_hash IS NOT NULL
    UNION ALL
    SELECT r.key, r.row_hash, r.delivery_id, r.row_number, r.scope_key, r.part, a.scope, a.place
    FROM (SELECT DISTINCT q.key FROM quarantined AS q) AS q
    CROSS JOIN active AS a
    JOIN ops.delivered AS r ON r.delivery_id = a.delivery_id AND r.key = q.key
    WHERE r.row_hash IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM standing_delivery AS s WHERE s.delivery_id = a.delivery_id)
  ),
  standing AS (
    SELECT c.key, c.row_hash, c.delivery_id, c.row_number, c.place
    FROM candidate AS c
    WHERE NOT EXISTS (
      SELECT 1
      FROM active AS b
      WHERE b.place > c.place AND NOT b.is_changes
        AND (b.scope IS NULL OR c.scope_key = ANY (b.scope) OR c.scope <@ b.scope)
        AND (b.parts IS NULL OR c.part = ANY (b.parts))
        AND NOT EXISTS (
          SELECT 1
          FROM quarantined AS q
          WHERE q.delivery_id = b.delivery_id AND q.key = c.key
        )
    ) AND NOT EXISTS (
      SELECT 1 FROM taken_out AS t WHERE t.key = c.key AND t.place > c.place
    )
  )
  SELECT DISTINCT ON (s.key) s.key, s.row_hash, s.delivery_id, s.row_number
  FROM standing AS s
  ORDER BY s.key, s.place DESC, s.row_number
$$;
COMMENT ON FUNCTION ops.live_row(text) IS 'Rows of a feed in force: the newest uncovered good row per key';

-- Comma-separated column lists for the two writers below.
CREATE FUNCTION ops.column_list(relation regclass, prefix text, without text[])
RETURNS text
LANGUAGE sql STABLE
AS $$
  SELECT string_agg(prefix || quote_ident(a.attname), ', ' ORDER BY a.attname)
  FROM pg_attribute AS a
  WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
    AND a.attname <> ALL (without)
$$;
COMMENT ON FUNCTION ops.column_list(regclass, text, text[]) IS 'Column list of a relation for dynamic SQL';

-- Columns named in marks, for dynamic SQL; the one given where there is none.
CREATE FUNCTION ops.marked_columns(marks jsonb, prefix text, otherwise text)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
  SELECT coalesce(
    string_agg(DISTINCT prefix || quote_ident(c.column_name), ', '), prefix || quote_ident(otherwise))
  FROM jsonb_each(marks) AS m, LATERAL jsonb_array_elements_text(m.value) AS c (column_name)
$$;
COMMENT ON FUNCTION ops.marked_columns(jsonb, text, text) IS 'Column list of marks for dynamic SQL';

-- Few rows are looked up by index; of many a misjudged anti join must not become a loop over both tables.
-- Holds until the calling function ends, which sets it back.
CREATE FUNCTION ops.allow_loops(next_rows bigint, step_name text, scope_kind text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  few CONSTANT bigint := 5000;
  keys bigint := few + 1;
BEGIN
  IF step_name IS NOT NULL AND next_rows <= few THEN
    SELECT count(*) INTO keys FROM ops.scope AS s WHERE s.step = step_name AND s.kind = scope_kind;
  END IF;
  PERFORM set_config('enable_nestloop', CASE WHEN keys <= few THEN 'on' ELSE 'off' END, true);
END
$$;
COMMENT ON FUNCTION ops.allow_loops(bigint, text, text) IS 'Whether the calling function may use nested loops';

-- Make target equal to next within the scope, touching only the rows that differ; mark what changed.
--   key        columns that identify a row
--   scope      column of target whose values are looked up in ops.scope; NULL: the whole table
--   owner_step rows of a shared table (ops.issue) that belong to this step; NULL: all rows
--   marks      {kind: [column, ...]}: what a changed row makes dirty
CREATE FUNCTION ops.replace_rows(
  target regclass, next regclass, key text[], scope text, scope_kind text, step text,
  owner_step text, marks jsonb
)
RETURNS TABLE (inserted bigint, updated bigint, deleted bigint, unchanged bigint)
LANGUAGE plpgsql
-- ops.allow_loops decides; set here so that it is set back in the end
SET enable_nestloop = off
AS $$
DECLARE
  on_key text := (SELECT string_agg(format('t.%1$I = n.%1$I', k), ' AND ') FROM unnest(key) AS k);
  columns text := ops.column_list(next, '', ARRAY[]::text[]);
  columns_n text := ops.column_list(next, 'n.', ARRAY[]::text[]);
  columns_t text := ops.column_list(next, 't.', ARRAY[]::text[]);
  marked_n text := ops.marked_columns(marks, 'n.', key[1]);
  marked_t text := ops.marked_columns(marks, 't.', key[1]);
  mine text := CASE WHEN scope IS NULL THEN 'true' ELSE format(
    't.%I::text IN (SELECT s.key FROM ops.scope AS s WHERE s.step = %L AND s.kind = %L)',
    scope, step, scope_kind) END
    || CASE WHEN owner_step IS NULL THEN '' ELSE format(' AND t.step = %L AND t.delivery_id IS NULL', owner_step) END;
  total bigint;
  stray bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', next) INTO total;
  PERFORM ops.allow_loops(total, CASE WHEN scope IS NOT NULL THEN step END, scope_kind);
  IF scope IS NOT NULL THEN
    EXECUTE format(
      'SELECT count(*) FROM %s AS n WHERE NOT EXISTS (
         SELECT 1 FROM ops.scope AS s WHERE s.step = %L AND s.kind = %L AND s.key = n.%I::text)',
      next, step, scope_kind, scope) INTO stray;
    IF stray > 0 THEN
      RAISE EXCEPTION '% rows for % lie outside the scope of step %', stray, target, step;
    END IF;
  END IF;
  EXECUTE format('CREATE TEMP TABLE changed_row ON COMMIT DROP AS SELECT %s FROM %s AS n LIMIT 0', marked_n, next);
  EXECUTE format(
    'WITH gone AS (DELETE FROM %s AS t WHERE %s AND NOT EXISTS (SELECT 1 FROM %s AS n WHERE %s) RETURNING %s)
     INSERT INTO changed_row SELECT * FROM gone', target, mine, next, on_key, marked_t);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  -- What a row was before marks as well as what it becomes.
  EXECUTE format(
    'INSERT INTO changed_row SELECT %s FROM %s AS t JOIN %s AS n ON %s WHERE (%s) IS DISTINCT FROM (%s)',
    marked_t, target, next, on_key, columns_t, columns_n);
  GET DIAGNOSTICS updated = ROW_COUNT;
  IF updated > 0 THEN
    EXECUTE format(
      'WITH renewed AS (UPDATE %s AS t SET (%s) = ROW(%s) FROM %s AS n WHERE %s AND (%s) IS DISTINCT FROM (%s) RETURNING %s)
       INSERT INTO changed_row SELECT * FROM renewed',
      target, columns, columns_n, next, on_key, columns_t, columns_n, marked_n);
  END IF;
  EXECUTE format(
    'WITH fresh AS (INSERT INTO %s AS t (%s) SELECT %s FROM %s AS n WHERE NOT EXISTS (SELECT 1 FROM %s AS t WHERE %s) ORDER BY %s RETURNING %s)
     INSERT INTO changed_row SELECT * FROM fresh',
    target, columns, columns_n, next, target, on_key,
    (SELECT string_agg(format('n.%I', k), ', ') FROM unnest(key) AS k), marked_t);
  GET DIAGNOSTICS inserted = ROW_COUNT;
  unchanged := total - updated - inserted;
  PERFORM ops.mark_dirty('changed_row', marks);
  EXECUTE 'DROP TABLE changed_row';
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION ops.replace_rows(regclass, regclass, text[], text, text, text, text, jsonb)
IS 'Make a table equal to its next rows within a scope; returns what was written';

-- The same for records with history: open versions that differ are closed, new ones opened. Which
-- delivery said it last does not make a version; the first that said it stays named.
CREATE FUNCTION ops.version_rows(
  target regclass, next regclass, scope_kind text, step text, run integer, marks jsonb
)
RETURNS TABLE (inserted bigint, updated bigint, deleted bigint, unchanged bigint)
LANGUAGE plpgsql
-- ops.allow_loops decides; set here so that it is set back in the end
SET enable_nestloop = off
AS $$
DECLARE
  columns text := ops.column_list(next, '', ARRAY[]::text[]);
  columns_n text := ops.column_list(next, 'n.', ARRAY[]::text[]);
  content_n text := ops.column_list(next, 'n.', ARRAY['delivery_id', 'row_number']);
  content_t text := ops.column_list(next, 't.', ARRAY['delivery_id', 'row_number']);
  marked_n text := ops.marked_columns(marks, 'n.', 'record_key');
  marked_t text := ops.marked_columns(marks, 't.', 'record_key');
  total bigint;
  opened bigint;
BEGIN
  EXECUTE format('SELECT count(*) FROM %s', next) INTO total;
  PERFORM ops.allow_loops(total, step, scope_kind);
  EXECUTE format('CREATE TEMP TABLE changed_row ON COMMIT DROP AS SELECT %s FROM %s AS n LIMIT 0', marked_n, next);
  EXECUTE format(
    'WITH gone AS (
       UPDATE %s AS t SET to_run = %s
       WHERE t.to_run IS NULL
         AND t.record_key IN (SELECT s.key FROM ops.scope AS s WHERE s.step = %L AND s.kind = %L)
         AND NOT EXISTS (
           SELECT 1 FROM %s AS n
           WHERE n.record_key = t.record_key AND (%s) IS NOT DISTINCT FROM (%s))
       RETURNING %s)
     INSERT INTO changed_row SELECT * FROM gone',
    target, run, step, scope_kind, next, content_t, content_n, marked_t);
  GET DIAGNOSTICS deleted = ROW_COUNT;
  EXECUTE format(
    'WITH fresh AS (
       INSERT INTO %s AS t (%s, from_run) SELECT %s, %s FROM %s AS n
       WHERE NOT EXISTS (
         SELECT 1 FROM %s AS t WHERE t.record_key = n.record_key AND t.to_run IS NULL)
       RETURNING %s)
     INSERT INTO changed_row SELECT * FROM fresh',
    target, columns, columns_n, run, next, target, marked_t);
  GET DIAGNOSTICS opened = ROW_COUNT;
  EXECUTE format(
    'SELECT count(*) FROM %s AS n JOIN %s AS t ON t.record_key = n.record_key AND t.to_run = %s',
    next, target, run) INTO updated;
  inserted := opened - updated;
  deleted := deleted - updated;
  unchanged := total - opened;
  PERFORM ops.mark_dirty('changed_row', marks);
  EXECUTE 'DROP TABLE changed_row';
  RETURN NEXT;
END
$$;
COMMENT ON FUNCTION ops.version_rows(regclass, regclass, text, text, integer, jsonb)
IS 'Close and open versions so that the open ones equal the next rows within a scope';

-- Add the keys in a relation's rows to ops.dirty; marks = {kind: [column, ...]}.
CREATE FUNCTION ops.mark_dirty(source regclass, marks jsonb, condition text DEFAULT 'true')
RETURNS void
LANGUAGE plpgsql
SET enable_nestloop = off
AS $$
DECLARE
  mark record;
BEGIN
  FOR mark IN
    SELECT m.key AS kind, c.column_name
    FROM jsonb_each(marks) AS m, LATERAL jsonb_array_elements_text(m.value) AS c (column_name)
  LOOP
    EXECUTE format(
      'INSERT INTO ops.dirty (kind, key)
       SELECT DISTINCT %L, t.%I::text FROM %s AS t
       WHERE t.%I IS NOT NULL AND t.%I::text <> '''' AND (%s)
         AND NOT EXISTS (SELECT 1 FROM ops.dirty AS d WHERE d.kind = %L AND d.key = t.%I::text)',
      mark.kind, mark.column_name, source, mark.column_name, mark.column_name, condition,
      mark.kind, mark.column_name);
  END LOOP;
END
$$;
COMMENT ON FUNCTION ops.mark_dirty(regclass, jsonb, text) IS 'Marks the keys in the rows of a relation as dirty';

-- A dated record whose first or last day lies in (last, as_of] changes without any delivery.
CREATE FUNCTION ops.mark_dated(target regclass, marks jsonb, last date, as_of date)
RETURNS void
LANGUAGE sql
AS $$
  SELECT ops.mark_dirty(target, marks, format(
    't.to_run IS NULL AND ((t.valid_from > %1$L AND t.valid_from <= %2$L) OR (t.valid_to > %1$L AND t.valid_to <= %2$L))',
    last, as_of))
$$;
COMMENT ON FUNCTION ops.mark_dated(regclass, jsonb, date, date) IS 'Marks records that begin or end between two business dates';
