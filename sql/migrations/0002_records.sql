-- The closed set of canonical tables. raw.<feed> holds each delivered content once, by its hash;
-- core.<feed> holds the same columns as records with history: primary key (key, from_run), one
-- open version (to_run IS NULL) per key, values as in force after corrections.
-- A column has the meaning that config/sources.toml gives it; a test compares the two.

CREATE TABLE raw.patch (
  row_hash bytea PRIMARY KEY,
  vintage integer NOT NULL,
  patch_code text COLLATE "C" NOT NULL,
  land_use_code text COLLATE "C" NOT NULL,
  location_code text COLLATE "C",
  township_code text COLLATE "C" NOT NULL,
  official_area_m2 numeric,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.parcel (
  row_hash bytea PRIMARY KEY,
  parcel_code text COLLATE "C" NOT NULL,
  unit_code text COLLATE "C",
  land_use_code text COLLATE "C",
  location text,
  address_key text COLLATE "C",
  official_area_m2 numeric,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw."right" (
  row_hash bytea PRIMARY KEY,
  parcel_code text COLLATE "C" NOT NULL,
  right_no text COLLATE "C" NOT NULL,
  holder_key text COLLATE "C" NOT NULL,
  holder_name text,
  holder_name_key text COLLATE "C",
  holder_code text COLLATE "C",
  certificate_no text,
  certificate_key text COLLATE "C",
  share numeric CHECK (share > 0 AND share <= 1),
  right_area_m2 numeric,
  right_state text COLLATE "C" NOT NULL,
  valid_from date,
  valid_to date,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.lease (
  row_hash bytea PRIMARY KEY,
  lease_no text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  lessor_code text COLLATE "C",
  lessor_name text,
  lessor_name_key text COLLATE "C",
  lessee_code text COLLATE "C",
  lessee_name text,
  lessee_name_key text COLLATE "C",
  land_area_m2 numeric CHECK (land_area_m2 >= 0),
  floor_area_m2 numeric CHECK (floor_area_m2 >= 0),
  valid_from date,
  valid_to date,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.enterprise (
  row_hash bytea PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  credit_code text COLLATE "C",
  name text NOT NULL,
  name_key text COLLATE "C",
  parcel_code text COLLATE "C",
  other_parcel_codes text COLLATE "C",
  certificate_no text,
  certificate_key text COLLATE "C",
  industry_code text COLLATE "C",
  size_class text COLLATE "C",
  status text COLLATE "C" NOT NULL,
  address text,
  address_key text COLLATE "C",
  township_code text COLLATE "C",
  registered_on date,
  geom geometry(Point, :srid),
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.footprint (
  row_hash bytea PRIMARY KEY,
  footprint_code text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  enterprise_code text COLLATE "C",
  floor_area_m2 numeric,
  floors numeric,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.indicator (
  row_hash bytea PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  year integer NOT NULL,
  indicator text COLLATE "C" NOT NULL,
  value numeric NOT NULL,
  unit text COLLATE "C" NOT NULL,
  basis text,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.recognition (
  row_hash bytea PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  valid_from date NOT NULL,
  valid_to date,
  level text COLLATE "C",
  first_on date,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.account (
  row_hash bytea PRIMARY KEY,
  account_no text COLLATE "C" NOT NULL,
  enterprise_code text COLLATE "C",
  parcel_code text COLLATE "C",
  address text,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.score (
  row_hash bytea PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  year integer NOT NULL,
  edition text COLLATE "C" NOT NULL,
  score numeric,
  grade text COLLATE "C",
  eval_category text COLLATE "C",
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.past_link (
  row_hash bytea PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  year integer NOT NULL,
  role text COLLATE "C",
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.land_event (
  row_hash bytea PRIMARY KEY,
  event_no text COLLATE "C" NOT NULL,
  enterprise_code text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C",
  land_area_m2 numeric CHECK (land_area_m2 >= 0),
  contract_on date,
  delivered_on date,
  occurred_on date,
  transition_end date,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.talent (
  row_hash bytea PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  person_no text COLLATE "C" NOT NULL,
  programme text COLLATE "C" NOT NULL,
  level text COLLATE "C" NOT NULL,
  selected_on date NOT NULL,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.meter (
  row_hash bytea PRIMARY KEY,
  account_no text COLLATE "C" NOT NULL,
  meter_no text COLLATE "C" NOT NULL,
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C",
  share numeric CHECK (share >= 0 AND share <= 1),
  evidence text,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.policy_return (
  row_hash bytea PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  year integer NOT NULL,
  policy text COLLATE "C" NOT NULL,
  amount numeric,
  extra jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE raw.area (
  row_hash bytea PRIMARY KEY,
  area_code text COLLATE "C" NOT NULL,
  name text NOT NULL,
  former_names text,
  kind text COLLATE "C" NOT NULL,
  geom geometry(MultiPolygon, :srid),
  extra jsonb NOT NULL DEFAULT '{}'
);

-- Shapes that were repaired or set aside, as they came: what is stored is not what was drawn.
CREATE TABLE raw.shape_as_delivered (
  delivery_id integer NOT NULL,
  row_number integer NOT NULL,
  rule text COLLATE "C" NOT NULL,
  reason text,
  area_before_m2 double precision,
  area_after_m2 double precision,
  geom geometry NOT NULL,
  PRIMARY KEY (delivery_id, row_number)
);

CREATE TABLE core.patch (LIKE raw.patch INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.patch DROP COLUMN extra, ADD ellipsoid_area_m2 numeric NOT NULL;
CREATE TABLE core.parcel (LIKE raw.parcel INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.parcel DROP COLUMN extra, ADD plane_area_m2 numeric NOT NULL,
ADD reference_area_m2 numeric NOT NULL, ADD reference_area text COLLATE "C" NOT NULL;
CREATE TABLE core."right" (LIKE raw."right" INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core."right" DROP COLUMN extra;
CREATE TABLE core.lease (LIKE raw.lease INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.lease DROP COLUMN extra;
CREATE TABLE core.enterprise (LIKE raw.enterprise INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.enterprise DROP COLUMN extra;
CREATE TABLE core.footprint (LIKE raw.footprint INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.footprint DROP COLUMN extra, ADD plane_area_m2 numeric NOT NULL;
CREATE TABLE core.indicator (LIKE raw.indicator INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.indicator DROP COLUMN extra;
CREATE TABLE core.recognition (LIKE raw.recognition INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.recognition DROP COLUMN extra;
CREATE TABLE core.account (LIKE raw.account INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.account DROP COLUMN extra;
CREATE TABLE core.score (LIKE raw.score INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.score DROP COLUMN extra;
CREATE TABLE core.past_link (LIKE raw.past_link INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.past_link DROP COLUMN extra;
CREATE TABLE core.land_event (LIKE raw.land_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.land_event DROP COLUMN extra;
CREATE TABLE core.talent (LIKE raw.talent INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.talent DROP COLUMN extra;
CREATE TABLE core.meter (LIKE raw.meter INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.meter DROP COLUMN extra;
CREATE TABLE core.policy_return (LIKE raw.policy_return INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.policy_return DROP COLUMN extra;
CREATE TABLE core.area (LIKE raw.area INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE core.area DROP COLUMN extra;

-- History columns, keys, and one open version per key, the same for every record. delivery_id is no
-- foreign key: it comes from ops.delivery itself (ops.live_row), and looking it up once more is a fifth
-- of the cost of a new version.
DO $$
DECLARE
  record_key CONSTANT jsonb := '{
    "patch": ["vintage", "patch_code"],
    "parcel": ["parcel_code"],
    "right": ["parcel_code", "right_no", "holder_key"],
    "lease": ["lease_no"],
    "enterprise": ["enterprise_code"],
    "footprint": ["footprint_code"],
    "indicator": ["enterprise_code", "year", "indicator"],
    "recognition": ["enterprise_code", "kind", "valid_from"],
    "account": ["account_no"],
    "score": ["enterprise_code", "year", "edition"],
    "past_link": ["enterprise_code", "parcel_code", "year"],
    "land_event": ["event_no"],
    "talent": ["enterprise_code", "person_no", "programme", "level", "selected_on"],
    "meter": ["account_no", "meter_no", "enterprise_code"],
    "policy_return": ["enterprise_code", "year", "policy"],
    "area": ["area_code"]
  }';
  feed text;
  key_columns text;
BEGIN
  FOR feed, key_columns IN
    SELECT k.key, (SELECT string_agg(quote_ident(c), ', ' ORDER BY o)
                   FROM jsonb_array_elements_text(k.value) WITH ORDINALITY AS e (c, o))
    FROM jsonb_each(record_key) AS k
  LOOP
    EXECUTE format(
      'ALTER TABLE core.%I
         ADD record_key text COLLATE "C" NOT NULL,
         ADD delivery_id integer NOT NULL,
         ADD row_number integer NOT NULL,
         ADD correction_ids bigint[] NOT NULL DEFAULT ''{}'',
         ADD from_run integer NOT NULL,
         ADD to_run integer CHECK (to_run > from_run),
         ADD PRIMARY KEY (%s, from_run)', feed, key_columns);
    EXECUTE format('CREATE UNIQUE INDEX %I ON core.%I (record_key) WHERE to_run IS NULL', feed || '_open', feed);
    -- What one run opened or closed: land_change, explain, the gate.
    EXECUTE format('CREATE INDEX %I ON core.%I (from_run)', feed || '_from_run', feed);
    EXECUTE format('CREATE INDEX %I ON core.%I (to_run) WHERE to_run IS NOT NULL', feed || '_to_run', feed);
  END LOOP;
END
$$;

-- What one run did to the records, sorted: added, removed, attributes alone, geometry alone, both. What
-- is computed from a shape or came with a correction goes with its cause.
CREATE FUNCTION core.count_changes(run integer)
RETURNS TABLE (feed text, change_kind text, records bigint)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  own CONSTANT text[] := ARRAY['record_key', 'row_hash', 'delivery_id', 'row_number', 'correction_ids',
    'from_run', 'to_run', 'geom', 'plane_area_m2', 'ellipsoid_area_m2', 'reference_area_m2'];
  one record;
BEGIN
  FOR one IN
    SELECT
      c.relname AS name, c.oid AS relation,
      EXISTS (
        SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'geom' AND NOT a.attisdropped
      ) AS is_drawn
    FROM pg_class AS c
    WHERE c.relnamespace = 'core'::regnamespace AND c.relkind = 'r'
      AND EXISTS (SELECT 1 FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'from_run')
    ORDER BY c.relname
  LOOP
    RETURN QUERY EXECUTE format(
      'SELECT %1$L::text, k.kind, count(*)
       FROM (
         SELECT CASE
           WHEN o.record_key IS NULL THEN ''added''
           WHEN n.record_key IS NULL THEN ''removed''
           WHEN %2$s THEN ''attributes''
           WHEN (%3$s) IS NOT DISTINCT FROM (%4$s) THEN ''geometry''
           ELSE ''both''
         END AS kind
         FROM (SELECT * FROM core.%1$I WHERE to_run = $1) AS o
         FULL JOIN (SELECT * FROM core.%1$I WHERE from_run = $1) AS n ON n.record_key = o.record_key
       ) AS k
       GROUP BY k.kind ORDER BY k.kind',
      one.name,
      -- two shapes are the same when all their points are
      CASE WHEN one.is_drawn THEN 'o.geom IS NOT DISTINCT FROM n.geom' ELSE 'true' END,
      ops.column_list(one.relation, 'o.', own), ops.column_list(one.relation, 'n.', own)
    ) USING run;
  END LOOP;
END
$$;
COMMENT ON FUNCTION core.count_changes(integer) IS 'Records per feed and kind of change of one run';

-- overlay_land and measure_coverage join parcels, patches, footprints and areas by place.
CREATE INDEX patch_geom ON core.patch USING gist (geom);
CREATE INDEX parcel_geom ON core.parcel USING gist (geom);
CREATE INDEX footprint_geom ON core.footprint USING gist (geom);
CREATE INDEX area_geom ON core.area USING gist (geom);
-- link_enterprises finds registered points inside parcels that changed.
CREATE INDEX enterprise_geom ON core.enterprise USING gist (geom) WHERE to_run IS NULL;
-- link_enterprises follows evidence by these keys.
CREATE INDEX enterprise_name ON core.enterprise (name_key) WHERE to_run IS NULL;
CREATE INDEX enterprise_certificate ON core.enterprise (certificate_key) WHERE to_run IS NULL;
CREATE INDEX enterprise_parcel ON core.enterprise (parcel_code) WHERE to_run IS NULL;
CREATE INDEX enterprise_address ON core.enterprise (address_key) WHERE to_run IS NULL;
CREATE INDEX enterprise_credit ON core.enterprise (credit_code) WHERE to_run IS NULL;
CREATE INDEX parcel_address ON core.parcel (address_key) WHERE to_run IS NULL;
CREATE INDEX right_holder ON core."right" (holder_code) WHERE to_run IS NULL;
CREATE INDEX right_name ON core."right" (holder_name_key) WHERE to_run IS NULL;
CREATE INDEX right_certificate ON core."right" (certificate_key) WHERE to_run IS NULL;
CREATE INDEX lease_parcel ON core.lease (parcel_code) WHERE to_run IS NULL;
CREATE INDEX lease_lessee ON core.lease (lessee_code) WHERE to_run IS NULL;
CREATE INDEX lease_lessee_name ON core.lease (lessee_name_key) WHERE to_run IS NULL;
CREATE INDEX footprint_enterprise ON core.footprint (enterprise_code) WHERE to_run IS NULL;
CREATE INDEX account_enterprise ON core.account (enterprise_code) WHERE to_run IS NULL;
CREATE INDEX account_parcel ON core.account (parcel_code) WHERE to_run IS NULL AND parcel_code IS NOT NULL;
CREATE INDEX past_link_parcel ON core.past_link (parcel_code) WHERE to_run IS NULL;
-- Rules ask for what is known of an enterprise.
CREATE INDEX land_event_enterprise ON core.land_event (enterprise_code) WHERE to_run IS NULL;
CREATE INDEX meter_enterprise ON core.meter (enterprise_code) WHERE to_run IS NULL;

-- The parcels that the registry names for an enterprise: a cell may hold several.
CREATE VIEW core.registry_parcel AS
SELECT e.enterprise_code, n.parcel_code
FROM core.enterprise AS e
CROSS JOIN LATERAL (
  SELECT e.parcel_code
  UNION
  SELECT unnest(string_to_array(e.other_parcel_codes, '|'))
) AS n (parcel_code)
WHERE e.to_run IS NULL AND n.parcel_code IS NOT NULL;
COMMENT ON VIEW core.registry_parcel IS 'Parcels that the registry names for an enterprise, one row each';

-- What happened to an enterprise, run by run: the credit code stays when the name changes.
CREATE VIEW core.enterprise_event AS
WITH version AS (
  SELECT
    e.enterprise_code, e.name, e.name_key, e.status, e.address, e.parcel_code, e.township_code, e.from_run, e.to_run,
    lag(e.to_run) OVER life AS last_to_run,
    lag(e.name) OVER life AS last_name,
    lag(e.name_key) OVER life AS last_name_key,
    lag(e.status) OVER life AS last_status,
    lag(e.address) OVER life AS last_address,
    lag(e.parcel_code) OVER life AS last_parcel_code,
    lag(e.township_code) OVER life AS last_township_code,
    lead(e.from_run) OVER life AS next_from_run
  FROM core.enterprise AS e
  WINDOW life AS (PARTITION BY e.enterprise_code ORDER BY e.from_run)
)
SELECT v.enterprise_code, v.from_run AS run_id, k.event, k.before, k.after
FROM version AS v
CROSS JOIN LATERAL (
  VALUES
    ('entered', v.last_to_run IS NULL, CAST(NULL AS text), v.name),
    ('returned', v.last_to_run < v.from_run, v.last_name, v.name),
    ('renamed', v.last_name_key IS DISTINCT FROM v.name_key AND v.last_to_run IS NOT NULL, v.last_name, v.name),
    ('deregistered', v.status = 'deregistered' AND v.last_status <> 'deregistered', v.last_status, v.status),
    ('moved_out', v.status = 'moved_out' AND v.last_status <> 'moved_out', v.last_status, v.status),
    ('moved_in', v.status = 'operating' AND v.last_status = 'moved_out', v.last_status, v.status),
    ('resumed', v.status = 'operating' AND v.last_status = 'deregistered', v.last_status, v.status),
    ('moved', v.last_to_run IS NOT NULL AND (
        v.last_township_code IS DISTINCT FROM v.township_code
        OR v.last_parcel_code IS DISTINCT FROM v.parcel_code OR v.last_address IS DISTINCT FROM v.address),
      concat_ws(' ', v.last_township_code, v.last_parcel_code, v.last_address),
      concat_ws(' ', v.township_code, v.parcel_code, v.address))
) AS k (event, is_so, before, after)
WHERE k.is_so
UNION ALL
SELECT v.enterprise_code, v.to_run, 'left', v.name, NULL
FROM version AS v
WHERE v.to_run IS NOT NULL AND v.next_from_run IS DISTINCT FROM v.to_run;
COMMENT ON VIEW core.enterprise_event IS 'Entered, renamed, moved, moved out or in, deregistered, resumed, left, returned';

-- What reconciling compares with the rows in force.
CREATE VIEW core.open_record AS
SELECT 'patch' AS feed, record_key, row_hash, correction_ids FROM core.patch WHERE to_run IS NULL
UNION ALL SELECT 'parcel', record_key, row_hash, correction_ids FROM core.parcel WHERE to_run IS NULL
UNION ALL SELECT 'right', record_key, row_hash, correction_ids FROM core."right" WHERE to_run IS NULL
UNION ALL SELECT 'lease', record_key, row_hash, correction_ids FROM core.lease WHERE to_run IS NULL
UNION ALL SELECT 'enterprise', record_key, row_hash, correction_ids FROM core.enterprise WHERE to_run IS NULL
UNION ALL SELECT 'footprint', record_key, row_hash, correction_ids FROM core.footprint WHERE to_run IS NULL
UNION ALL SELECT 'indicator', record_key, row_hash, correction_ids FROM core.indicator WHERE to_run IS NULL
UNION ALL SELECT 'recognition', record_key, row_hash, correction_ids FROM core.recognition WHERE to_run IS NULL
UNION ALL SELECT 'account', record_key, row_hash, correction_ids FROM core.account WHERE to_run IS NULL
UNION ALL SELECT 'score', record_key, row_hash, correction_ids FROM core.score WHERE to_run IS NULL
UNION ALL SELECT 'past_link', record_key, row_hash, correction_ids FROM core.past_link WHERE to_run IS NULL
UNION ALL SELECT 'land_event', record_key, row_hash, correction_ids FROM core.land_event WHERE to_run IS NULL
UNION ALL SELECT 'talent', record_key, row_hash, correction_ids FROM core.talent WHERE to_run IS NULL
UNION ALL SELECT 'meter', record_key, row_hash, correction_ids FROM core.meter WHERE to_run IS NULL
UNION ALL SELECT 'policy_return', record_key, row_hash, correction_ids FROM core.policy_return WHERE to_run IS NULL
UNION ALL SELECT 'area', record_key, row_hash, correction_ids FROM core.area WHERE to_run IS NULL;
COMMENT ON VIEW core.open_record IS 'Key and content hash of every open record';

-- Where land went when its code or its border changed. Old and new are the same where a record keeps its
-- code but not its border. Nothing ever leaves these tables.
CREATE TABLE core.parcel_lineage (
  old_parcel_code text COLLATE "C" NOT NULL,
  new_parcel_code text COLLATE "C" NOT NULL,
  run_id integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('split', 'merged', 'renumbered', 'adjusted', 'related')),
  old_share numeric NOT NULL,
  new_share numeric NOT NULL,
  as_of date NOT NULL,
  delivery_id integer NOT NULL,
  PRIMARY KEY (old_parcel_code, new_parcel_code, run_id)
);
-- The way back: from a parcel to those that it came from.
CREATE INDEX parcel_lineage_new ON core.parcel_lineage (new_parcel_code);
COMMENT ON TABLE core.parcel_lineage IS 'Which changed parcel went into which, by overlap in both directions';
CREATE TABLE core.patch_lineage (
  vintage integer NOT NULL,
  old_patch_code text COLLATE "C" NOT NULL,
  new_patch_code text COLLATE "C" NOT NULL,
  run_id integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('split', 'merged', 'renumbered', 'adjusted', 'related')),
  old_share numeric NOT NULL,
  new_share numeric NOT NULL,
  as_of date NOT NULL,
  delivery_id integer NOT NULL,
  PRIMARY KEY (vintage, old_patch_code, new_patch_code, run_id)
);
CREATE INDEX patch_lineage_new ON core.patch_lineage (new_patch_code);
COMMENT ON TABLE core.patch_lineage IS 'Which changed survey patch went into which of the same year, by overlap in both directions';

-- Shapes of buildings and drawn land have no number that lasts: what is the same by its place is matched.
CREATE TABLE core.footprint_lineage (
  old_footprint_code text COLLATE "C" NOT NULL,
  new_footprint_code text COLLATE "C" NOT NULL,
  run_id integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('matched', 'related')),
  old_share numeric NOT NULL,
  new_share numeric NOT NULL,
  as_of date NOT NULL,
  delivery_id integer NOT NULL,
  PRIMARY KEY (old_footprint_code, new_footprint_code, run_id)
);
CREATE INDEX footprint_lineage_new ON core.footprint_lineage (new_footprint_code);
COMMENT ON TABLE core.footprint_lineage IS 'Which changed footprint took the place of which, by overlap in both directions';

-- People's rows: no step writes them.
CREATE TABLE core.correction (
  -- by default: QGIS asks the sequence itself
  correction_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  feed text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  field text NOT NULL,
  expected_value text,
  new_value text,
  reason text NOT NULL CHECK (reason <> ''),
  evidence text,
  author text NOT NULL CHECK (author <> ''),
  office text,
  valid_until date CHECK (valid_until BETWEEN '1900-01-01' AND '2200-12-31'),
  content_hash text NOT NULL UNIQUE,
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (field NOT IN ('geom', 'row_hash', 'extra')),
  CHECK (feed IN ('patch', 'parcel', 'right', 'lease', 'enterprise', 'footprint', 'indicator', 'recognition',
    'account', 'score', 'past_link', 'land_event', 'talent', 'meter', 'policy_return', 'area'))
);
-- Reconciling looks corrections up by record.
CREATE INDEX correction_record ON core.correction (feed, key);
COMMENT ON TABLE core.correction IS '纠偏: applied only while the delivered value still equals the expected one';

-- What an office says of a correction of its values, one row per act; the last counts.
CREATE TABLE core.correction_answer (
  answer_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  correction_id bigint NOT NULL REFERENCES core.correction,
  answer text NOT NULL CHECK (answer IN ('accepted', 'refused')),
  reason text,
  author text NOT NULL CHECK (author <> ''),
  content_hash text NOT NULL UNIQUE,
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (answer = 'accepted' OR coalesce(reason, '') <> '')
);
CREATE INDEX correction_answer_correction ON core.correction_answer (correction_id);
COMMENT ON TABLE core.correction_answer IS '纠偏答复: what an office says of a correction of its values, append-only';

-- What an office says of the data that it gave when it is asked on a due date.
CREATE TABLE core.verification (
  verification_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  office text NOT NULL,
  feed text COLLATE "C" NOT NULL,
  as_of date NOT NULL CHECK (as_of BETWEEN '1900-01-01' AND '2200-12-31'),
  answer text NOT NULL CHECK (answer IN ('confirmed', 'to_deliver', 'wrong')),
  reason text,
  author text NOT NULL CHECK (author <> ''),
  content_hash text NOT NULL UNIQUE,
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (answer = 'confirmed' OR coalesce(reason, '') <> '')
);
COMMENT ON TABLE core.verification IS '定时核对: whether an office confirms what it gave, append-only';

CREATE TABLE secure.contact (
  office text PRIMARY KEY,
  name text NOT NULL CHECK (name <> ''),
  phone text,
  email text,
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE secure.contact IS 'Who answers for the data of an office; personal data';

CREATE TABLE core.decision (
  -- by default: QGIS asks the sequence itself
  decision_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('accept_link', 'reject_link', 'no_industrial_premises', 'off_site')),
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C",
  role text CHECK (role IN ('owner', 'tenant', 'sub_tenant', 'operator')),
  year integer,
  value text,
  reason text NOT NULL CHECK (reason <> ''),
  author text NOT NULL CHECK (author <> ''),
  -- what was known of the enterprise when it was decided, one word per piece, and the hash of it
  evidence jsonb,
  evidence_hash text,
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((kind IN ('accept_link', 'reject_link')) = (parcel_code IS NOT NULL))
);
-- link_enterprises takes the last decision per enterprise, kind of question and parcel.
CREATE INDEX decision_enterprise ON core.decision (enterprise_code);
COMMENT ON TABLE core.decision IS 'What people decided, one row per act, append-only';

-- What people had decided by the run that is asked about (diqi.run, set within a transaction); all of it
-- where none is.
CREATE VIEW core.known_decision AS
SELECT d.*
FROM core.decision AS d
WHERE coalesce(current_setting('diqi.run', true), '') = '' OR EXISTS (
  SELECT 1
  FROM ops.act_seen AS s
  WHERE s.kind = 'decision' AND s.act_id = d.decision_id
    AND s.run_id <= CAST(nullif(current_setting('diqi.run', true), '') AS integer)
);
COMMENT ON VIEW core.known_decision IS 'Decisions known to the run that is asked about';

-- The last act per enterprise and parcel counts; a seat decision counts until a later act on the
-- enterprise.
CREATE VIEW core.current_decision AS
SELECT DISTINCT ON (d.enterprise_code, d.parcel_code)
  d.enterprise_code, d.parcel_code, d.kind, d.role, d.decision_id, d.author, d.reason
FROM core.known_decision AS d
WHERE d.parcel_code IS NOT NULL OR NOT EXISTS (
  SELECT 1 FROM core.known_decision AS n
  WHERE n.enterprise_code = d.enterprise_code AND n.kind = 'accept_link' AND n.decision_id > d.decision_id
)
ORDER BY d.enterprise_code, d.parcel_code, d.decision_id DESC;
COMMENT ON VIEW core.current_decision IS 'Decisions in force';

CREATE VIEW core.applied_correction AS
SELECT r.feed, r.record_key, c.correction_id
FROM core.open_record AS r
CROSS JOIN LATERAL unnest(r.correction_ids) AS c (correction_id);
COMMENT ON VIEW core.applied_correction IS 'Corrections that an open record carries';

CREATE FUNCTION core.refuse_change()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: enter a new row instead', TG_TABLE_SCHEMA, TG_TABLE_NAME;
END
$$;
COMMENT ON FUNCTION core.refuse_change() IS 'Keeps a table append-only';
CREATE TRIGGER decision_append_only
BEFORE UPDATE OR DELETE ON core.decision
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER correction_append_only
BEFORE UPDATE OR DELETE ON core.correction
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER correction_answer_append_only
BEFORE UPDATE OR DELETE ON core.correction_answer
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE TRIGGER verification_append_only
BEFORE UPDATE OR DELETE ON core.verification
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();

-- The delivered value of a field of the record in force; NULL where the record is no more.
CREATE FUNCTION core.delivered_value(feed_name text, record text, field_name text)
RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
  found text;
BEGIN
  EXECUTE format(
    'SELECT to_jsonb(r) ->> $2 FROM core.%1$I AS c JOIN raw.%1$I AS r ON r.row_hash = c.row_hash
     WHERE c.record_key = $1 AND c.to_run IS NULL', feed_name)
  INTO found USING record, field_name;
  RETURN found;
END
$$;
COMMENT ON FUNCTION core.delivered_value(text, text, text) IS 'Delivered value of a field of a record in force';

-- A correction that is entered by hand, in QGIS or by SQL: the table says at once what cannot be one. What
-- is left empty is filled: the value that is delivered now, and who is entering. Codes and keys are
-- checked again by the next run, which knows the contracts.
CREATE FUNCTION core.check_correction()
RETURNS trigger
LANGUAGE plpgsql
-- whoever may enter corrections need not be able to read the records
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kind text;
  is_held boolean;
BEGIN
  -- only who has checked the rest may name the hash (core.forget_hash_by_hand)
  IF NEW.content_hash IS NOT NULL THEN
    RETURN NEW;
  END IF;
  NEW.key := btrim(NEW.key);
  NEW.field := btrim(NEW.field);
  NEW.new_value := nullif(btrim(NEW.new_value), '');
  NEW.author := coalesce(nullif(btrim(NEW.author), ''), session_user);
  NEW.entered_at := coalesce(NEW.entered_at, clock_timestamp());
  IF to_regclass(format('core.%I', NEW.feed)) IS NULL
    OR NOT EXISTS (SELECT 1 FROM core.open_record AS r WHERE r.feed = NEW.feed) THEN
    RAISE EXCEPTION '没有数据类别 %。 There is no feed %.', NEW.feed, NEW.feed;
  END IF;
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM core.%I WHERE record_key = $1 AND to_run IS NULL)', NEW.feed)
  INTO is_held USING NEW.key;
  IF NOT is_held THEN
    RAISE EXCEPTION '%：没有主键为 % 的现行记录。 No record % is in force in %.',
      NEW.feed, NEW.key, NEW.key, NEW.feed;
  END IF;
  SELECT format_type(a.atttypid, a.atttypmod) INTO kind
  FROM pg_catalog.pg_attribute AS a
  WHERE a.attrelid = format('raw.%I', NEW.feed)::regclass AND a.attname = NEW.field AND a.attnum > 0
    AND a.attname NOT IN ('geom', 'row_hash', 'extra') AND a.attname !~ '_key$';
  IF kind IS NULL THEN
    RAISE EXCEPTION '% 没有可纠偏的字段 %。 % has no field % that can be corrected.',
      NEW.feed, NEW.field, NEW.feed, NEW.field;
  END IF;
  BEGIN
    EXECUTE format('SELECT CAST($1 AS %s)', kind) USING NEW.new_value;
    IF kind IN ('numeric', 'integer') AND abs(NEW.new_value::numeric) >= 1e15
      OR kind = 'date' AND NOT NEW.new_value::date BETWEEN '1900-01-01' AND '2200-12-31' THEN
      RAISE numeric_value_out_of_range;
    END IF;
  EXCEPTION WHEN data_exception THEN
    RAISE EXCEPTION '新值 % 不能作为字段 %（%）。 The value % does not fit %.',
      NEW.new_value, NEW.field, kind, NEW.new_value, NEW.field;
  END;
  NEW.expected_value := coalesce(
    nullif(btrim(NEW.expected_value), ''), core.delivered_value(NEW.feed, NEW.key, NEW.field));
  NEW.content_hash := 'hand ' || md5(
    concat_ws(chr(31), NEW.feed, NEW.key, NEW.field, NEW.expected_value, NEW.new_value, NEW.reason, NEW.author,
      NEW.valid_until, NEW.entered_at));
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION core.check_correction() IS 'Completes and checks a correction that is entered by hand';
-- The hash says that a correction was checked: whoever enters one by hand cannot name it. A function of its
-- own, for it must know who inserts. (Column grants would do, but QGIS edits whole tables only.)
CREATE FUNCTION core.forget_hash_by_hand()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF NOT pg_catalog.has_table_privilege(current_user, 'core.correction', 'TRUNCATE') THEN
    NEW.content_hash := NULL;
    NEW.entered_at := pg_catalog.clock_timestamp();
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION core.forget_hash_by_hand() IS 'Only the owner says that a correction was checked';
-- Triggers fire in the order of their names.
CREATE TRIGGER correction_a_by_whom
BEFORE INSERT ON core.correction
FOR EACH ROW EXECUTE FUNCTION core.forget_hash_by_hand();
CREATE TRIGGER correction_by_hand
BEFORE INSERT ON core.correction
FOR EACH ROW EXECUTE FUNCTION core.check_correction();

-- A decision that is entered by hand, in QGIS or by SQL: the table says at once what cannot be one. What is
-- said of an enterprise as a whole names no parcel, whatever a form filled in.
CREATE FUNCTION core.check_decision()
RETURNS trigger
LANGUAGE plpgsql
-- whoever may decide need not be able to read the records
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.kind := btrim(NEW.kind);
  NEW.enterprise_code := nullif(btrim(NEW.enterprise_code), '');
  NEW.parcel_code := nullif(btrim(NEW.parcel_code), '');
  NEW.role := nullif(btrim(NEW.role), '');
  NEW.reason := nullif(btrim(NEW.reason), '');
  NEW.author := coalesce(nullif(btrim(NEW.author), ''), session_user);
  NEW.entered_at := clock_timestamp();
  -- what was known is for the database to say
  NEW.evidence := NULL;
  IF coalesce(NEW.kind, '') NOT IN ('accept_link', 'reject_link', 'no_industrial_premises', 'off_site') THEN
    RAISE EXCEPTION '决定类型 % 不在选项内。 There is no kind of decision %.', NEW.kind, NEW.kind;
  END IF;
  IF NEW.kind IN ('no_industrial_premises', 'off_site') THEN
    NEW.parcel_code := NULL;
    NEW.role := NULL;
  END IF;
  IF NEW.enterprise_code IS NULL OR NOT EXISTS (
      SELECT 1 FROM core.enterprise AS e WHERE e.enterprise_code = NEW.enterprise_code AND e.to_run IS NULL) THEN
    RAISE EXCEPTION '名录中没有现行的企业 %。 No enterprise % is in force.', NEW.enterprise_code, NEW.enterprise_code;
  END IF;
  IF NEW.kind IN ('accept_link', 'reject_link') AND NEW.parcel_code IS NULL THEN
    RAISE EXCEPTION '请填写宗地代码。 The decision needs a parcel code.';
  END IF;
  IF NEW.parcel_code IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = NEW.parcel_code) THEN
    RAISE EXCEPTION '宗地库中没有宗地 %。 There is no parcel %.', NEW.parcel_code, NEW.parcel_code;
  END IF;
  IF NEW.role NOT IN ('owner', 'tenant', 'sub_tenant', 'operator') THEN
    RAISE EXCEPTION '用地关系 % 不在选项内。 There is no role %.', NEW.role, NEW.role;
  END IF;
  IF NEW.reason IS NULL THEN
    RAISE EXCEPTION '请填写理由。 The decision needs a reason.';
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION core.check_decision() IS 'Completes and checks a decision that is entered by hand';
-- With every decision stands what was known when it was made: it lasts until that changes.
CREATE FUNCTION core.remember_evidence()
RETURNS trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.evidence := coalesce(NEW.evidence, derived.evidence_of(NEW.enterprise_code));
  NEW.evidence_hash := md5(CAST(NEW.evidence AS text));
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION core.remember_evidence() IS 'Keeps what was known of the enterprise with a decision on it';
-- The program has looked at its rows itself, and may name what comes later. Triggers fire in the order of
-- their names.
CREATE TRIGGER decision_a_by_hand
BEFORE INSERT ON core.decision
FOR EACH ROW WHEN (NOT pg_catalog.has_table_privilege(current_user, 'core.decision', 'TRUNCATE'))
EXECUTE FUNCTION core.check_decision();
CREATE TRIGGER decision_b_evidence
BEFORE INSERT ON core.decision
FOR EACH ROW EXECUTE FUNCTION core.remember_evidence();

-- Corrections entered by hand that turned out to be none when the contracts were asked.
CREATE TABLE ops.refused_correction (
  correction_id bigint PRIMARY KEY,
  reason text NOT NULL
);
COMMENT ON TABLE ops.refused_correction IS 'Corrections entered by hand that cannot apply, and why';
-- What had been entered by the run that is asked about (diqi.run); all of it where none is.
CREATE VIEW core.known_correction AS
SELECT c.*
FROM core.correction AS c
WHERE coalesce(current_setting('diqi.run', true), '') = '' OR EXISTS (
  SELECT 1
  FROM ops.act_seen AS s
  WHERE s.kind = 'correction' AND s.act_id = c.correction_id
    AND s.run_id <= CAST(nullif(current_setting('diqi.run', true), '') AS integer)
);
COMMENT ON VIEW core.known_correction IS 'Corrections known to the run that is asked about';
CREATE VIEW core.known_answer AS
SELECT a.*
FROM core.correction_answer AS a
WHERE coalesce(current_setting('diqi.run', true), '') = '' OR EXISTS (
  SELECT 1
  FROM ops.act_seen AS s
  WHERE s.kind = 'answer' AND s.act_id = a.answer_id
    AND s.run_id <= CAST(nullif(current_setting('diqi.run', true), '') AS integer)
);
COMMENT ON VIEW core.known_answer IS 'Answers of offices known to the run that is asked about';
CREATE VIEW core.usable_correction AS
SELECT c.*
FROM core.correction AS c
WHERE NOT EXISTS (SELECT 1 FROM ops.refused_correction AS r WHERE r.correction_id = c.correction_id);
COMMENT ON VIEW core.usable_correction IS 'Corrections that may apply';
CREATE VIEW core.current_answer AS
SELECT DISTINCT ON (a.correction_id) a.correction_id, a.answer, a.reason, a.author, a.entered_at
FROM core.known_answer AS a
ORDER BY a.correction_id, a.answer_id DESC;
COMMENT ON VIEW core.current_answer IS 'The last answer of the office to each correction';

-- What people decide in the round of a year: the grade of an enterprise, the end of its transition. The
-- last act on an enterprise, year and kind counts; without a value it takes the decision back.
CREATE TABLE core.evaluation_decision (
  decision_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  year integer NOT NULL CHECK (year BETWEEN 1949 AND 2100),
  enterprise_code text COLLATE "C" NOT NULL,
  kind text NOT NULL CHECK (kind IN ('grade', 'transition_end')),
  value text COLLATE "C",
  reason text NOT NULL CHECK (reason <> ''),
  author text NOT NULL CHECK (author <> ''),
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (kind <> 'transition_end' OR value IS NULL OR value ~ '^\d{4}-\d{2}-\d{2}$')
);
-- grade_units and form_units take the last one per enterprise.
CREATE INDEX evaluation_decision_enterprise ON core.evaluation_decision (enterprise_code);
COMMENT ON TABLE core.evaluation_decision IS '调档和过渡期决定: what people decided of an enterprise in a year, append-only';
CREATE TRIGGER evaluation_decision_append_only
BEFORE UPDATE OR DELETE ON core.evaluation_decision
FOR EACH ROW EXECUTE FUNCTION core.refuse_change();
CREATE VIEW core.current_evaluation_decision AS
SELECT DISTINCT ON (d.enterprise_code, d.year, d.kind)
  d.enterprise_code, d.year, d.kind, d.value, d.decision_id, d.author, d.reason, d.entered_at
FROM core.evaluation_decision AS d
WHERE coalesce(current_setting('diqi.run', true), '') = '' OR EXISTS (
  SELECT 1
  FROM ops.act_seen AS s
  WHERE s.kind = 'evaluation_decision' AND s.act_id = d.decision_id
    AND s.run_id <= CAST(nullif(current_setting('diqi.run', true), '') AS integer)
)
ORDER BY d.enterprise_code, d.year, d.kind, d.decision_id DESC;
COMMENT ON VIEW core.current_evaluation_decision IS 'Decisions on grades and transitions in force';

-- The life of a round 评价轮次 of a data year: what people did in it, one row per act. What state it is in
-- follows from its acts.
CREATE TABLE core.round_act (
  act_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  year integer NOT NULL CHECK (year BETWEEN 1949 AND 2100),
  kind text NOT NULL CHECK (kind IN ('open', 'confirm', 'announce', 'object', 'answer', 'accept')),
  enterprise_code text COLLATE "C",
  refers_to bigint REFERENCES core.round_act,
  value jsonb NOT NULL DEFAULT '{}',
  reason text CHECK (reason <> ''),
  author text NOT NULL CHECK (author <> ''),
  as_of date NOT NULL CHECK (as_of BETWEEN '1900-01-01' AND '2200-12-31'),
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((kind = 'answer') = (refers_to IS NOT NULL)),
  CHECK (kind <> 'confirm' OR enterprise_code IS NOT NULL)
);
-- The state of a round is read from all acts of its year.
CREATE INDEX round_act_year ON core.round_act (year, kind);
COMMENT ON TABLE core.round_act IS '评价轮次经过: opened, confirmed, announced, objected to, answered, accepted; append-only';

-- An issued result 评价结果 of a data year. Whatever it rests on is kept with it: the evidence, and the rules
-- as one text. A correction after the issue is a new edition.
CREATE TABLE core.evaluation (
  evaluation_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  year integer NOT NULL,
  edition integer NOT NULL CHECK (edition >= 1),
  amends integer CHECK (amends < edition),
  amended text[] NOT NULL DEFAULT '{}',
  rule_set text COLLATE "C" NOT NULL,
  rules text NOT NULL,
  as_of date NOT NULL,
  issued_on date NOT NULL,
  run_id integer NOT NULL,
  reason text NOT NULL CHECK (reason <> ''),
  author text NOT NULL CHECK (author <> ''),
  inputs bytea NOT NULL,
  inputs_hash text NOT NULL,
  result_hash text NOT NULL,
  entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (year, edition),
  FOREIGN KEY (year, amends) REFERENCES core.evaluation (year, edition)
);
COMMENT ON TABLE core.evaluation IS '评价结果版本: an issued result with the rules and the evidence that it follows from; append-only';
CREATE TABLE core.issued_unit (
  year integer NOT NULL,
  edition integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  eval_category text COLLATE "C" NOT NULL,
  eval_state text NOT NULL,
  state_reason text COLLATE "C" NOT NULL,
  township_code text COLLATE "C" NOT NULL,
  eval_area_m2 numeric NOT NULL,
  score numeric,
  bonus numeric,
  total numeric,
  initial_grade text COLLATE "C",
  adjusted_grade text COLLATE "C",
  official_grade text COLLATE "C",
  decided_grade text COLLATE "C",
  grade text COLLATE "C",
  grade_source text COLLATE "C" CHECK (grade_source IN ('decision', 'computed', 'official')),
  obstacle text COLLATE "C",
  trace jsonb NOT NULL,
  PRIMARY KEY (year, edition, unit_code),
  FOREIGN KEY (year, edition) REFERENCES core.evaluation
);
COMMENT ON TABLE core.issued_unit IS '已发布评价单元: frozen copy of each unit with its grades and their trace';
CREATE TABLE core.issued_member (
  year integer NOT NULL,
  edition integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  enterprise_code text COLLATE "C" NOT NULL,
  name text NOT NULL,
  township_code text COLLATE "C" NOT NULL,
  list text COLLATE "C" NOT NULL
    CHECK (list IN ('ABOVE', 'BELOW_GE3', 'BELOW_LT3', 'TENANT_ONLY', 'TRANSITION', '')),
  PRIMARY KEY (year, edition, enterprise_code),
  FOREIGN KEY (year, edition, unit_code) REFERENCES core.issued_unit
);
COMMENT ON TABLE core.issued_member IS '已发布企业: enterprises of each issued unit, and the list that names each';
CREATE TABLE core.issued_link (
  year integer NOT NULL,
  edition integer NOT NULL,
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  allocated_m2 numeric NOT NULL,
  PRIMARY KEY (year, edition, enterprise_code, parcel_code, role),
  FOREIGN KEY (year, edition) REFERENCES core.evaluation
);
COMMENT ON TABLE core.issued_link IS '已发布企业用地: links of the issued enterprises to parcels';
CREATE TABLE core.issued_standard (
  year integer NOT NULL,
  edition integer NOT NULL,
  kind text COLLATE "C" NOT NULL,
  scale text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  group_key text COLLATE "C" NOT NULL,
  value numeric NOT NULL,
  unit_count integer NOT NULL,
  PRIMARY KEY (year, edition, kind, scale, name, group_key),
  FOREIGN KEY (year, edition) REFERENCES core.evaluation
);
COMMENT ON TABLE core.issued_standard IS '已发布基准值和档次线: benchmarks and cuts of each issued result';

-- The newest edition of each year that the run that is asked about (diqi.run) had seen; the newest where none is.
CREATE VIEW core.current_evaluation AS
SELECT DISTINCT ON (e.year)
  e.year, e.edition, e.evaluation_id
FROM core.evaluation AS e
WHERE coalesce(current_setting('diqi.run', true), '') = '' OR EXISTS (
  SELECT 1
  FROM ops.act_seen AS s
  WHERE s.kind = 'evaluation' AND s.act_id = e.evaluation_id
    AND s.run_id <= CAST(nullif(current_setting('diqi.run', true), '') AS integer)
)
ORDER BY e.year, e.edition DESC;
COMMENT ON VIEW core.current_evaluation IS 'Newest edition of each year';
CREATE VIEW core.current_issued_unit AS
SELECT i.year, i.edition, i.unit_code, i.grade
FROM core.current_evaluation AS e
JOIN core.issued_unit AS i ON i.year = e.year AND i.edition = e.edition;
COMMENT ON VIEW core.current_issued_unit IS 'Issued grades of the newest edition of each year';

DO $$
DECLARE
  one text;
BEGIN
  FOREACH one IN ARRAY ARRAY['round_act', 'evaluation', 'issued_unit', 'issued_member', 'issued_link', 'issued_standard']
  LOOP
    EXECUTE format(
      'CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON core.%I FOR EACH ROW EXECUTE FUNCTION core.refuse_change()',
      one || '_append_only', one);
  END LOOP;
END
$$;

-- Who enters an act by hand, in QGIS or by SQL, does so now and under a name.
CREATE FUNCTION core.sign_by_hand()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  NEW.author := coalesce(nullif(btrim(NEW.author), ''), session_user);
  NEW.entered_at := pg_catalog.clock_timestamp();
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION core.sign_by_hand() IS 'Puts name and time to an act that is entered by hand';
CREATE TRIGGER evaluation_decision_by_hand
BEFORE INSERT ON core.evaluation_decision
FOR EACH ROW WHEN (NOT pg_catalog.has_table_privilege(current_user, 'core.evaluation_decision', 'TRUNCATE'))
EXECUTE FUNCTION core.sign_by_hand();
CREATE TRIGGER round_act_by_hand
BEFORE INSERT ON core.round_act
FOR EACH ROW WHEN (NOT pg_catalog.has_table_privilege(current_user, 'core.round_act', 'TRUNCATE'))
EXECUTE FUNCTION core.sign_by_hand();

CREATE TABLE core.coverage_history (
  run_id integer NOT NULL,
  as_of date NOT NULL,
  area_code text COLLATE "C" NOT NULL,
  base_area_m2 numeric NOT NULL,
  linked_area_m2 numeric NOT NULL,
  evaluated_area_m2 numeric NOT NULL,
  transition_area_m2 numeric NOT NULL,
  covered_area_m2 numeric NOT NULL,
  definition text NOT NULL,
  PRIMARY KEY (area_code, run_id)
);
COMMENT ON TABLE core.coverage_history IS 'Coverage per assessment unit of each run in which it changed';
