-- What people open. Each layer: fid as identity key, one typed geometry, spatial index. Rows are
-- replaced in place, so names, styles, grants and fid stay. Numbers are for display: double
-- precision and text; the exact numeric values stand in derived.

CREATE TABLE layers.publication (
  publication_id integer PRIMARY KEY CHECK (publication_id = 1),
  run_id integer NOT NULL,
  as_of date NOT NULL,
  data_year integer NOT NULL
);
COMMENT ON TABLE layers.publication IS '发布信息 The run that the layers show';

CREATE TABLE layers.parcel (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  parcel_code text COLLATE "C" NOT NULL UNIQUE,
  township_code text NOT NULL,
  township_name text NOT NULL,
  land_use_code text,
  location text,
  is_industrial boolean NOT NULL,
  area_m2 double precision NOT NULL,
  area_mu double precision NOT NULL,
  enterprise_count integer NOT NULL,
  enterprise_names text,
  unit_kind text,
  grade text,
  coverage_state text NOT NULL CHECK (
    coverage_state IN ('evaluated', 'partly', 'transition', 'linked', 'in_review', 'unlinked')
  ),
  evaluated_share double precision NOT NULL,
  transition_share double precision NOT NULL,
  unallocated_m2 double precision NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL
);
CREATE TABLE layers.enterprise (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL UNIQUE,
  name text NOT NULL,
  industry_code text,
  size_class text,
  seat_state text NOT NULL,
  seat_reason text NOT NULL,
  parcel_code text,
  parcel_count integer NOT NULL,
  land_area_m2 double precision NOT NULL,
  land_area_mu double precision NOT NULL,
  unit_code text,
  score double precision,
  grade text,
  township_code text NOT NULL,
  address text,
  geom geometry(Point, :srid)
);
CREATE TABLE layers.enterprise_land (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  enterprise_name text NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  role text NOT NULL,
  reason text NOT NULL,
  link_score double precision NOT NULL,
  share double precision NOT NULL,
  allocated_m2 double precision NOT NULL,
  allocated_mu double precision NOT NULL,
  method text NOT NULL,
  geometry_kind text NOT NULL CHECK (geometry_kind IN ('drawn', 'parcel')),
  township_code text NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  UNIQUE (enterprise_code, parcel_code)
);
CREATE TABLE layers.evaluation_unit (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  unit_code text COLLATE "C" NOT NULL UNIQUE,
  component text COLLATE "C" NOT NULL,
  name text NOT NULL,
  kind text NOT NULL,
  kind_reason text NOT NULL,
  eval_category text NOT NULL,
  eval_state text NOT NULL,
  state_reason text NOT NULL,
  member_count integer NOT NULL,
  parcel_count integer NOT NULL,
  eval_area_m2 double precision NOT NULL,
  eval_area_mu double precision NOT NULL,
  score double precision,
  grade text,
  grade_source text,
  initial_grade text,
  adjusted_grade text,
  official_grade text,
  decided_grade text,
  issued_grade text,
  township_code text NOT NULL,
  geom geometry(MultiPolygon, :srid)
);
CREATE TABLE layers.industrial_patch (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  patch_code text COLLATE "C" NOT NULL UNIQUE,
  land_use_code text NOT NULL,
  township_code text NOT NULL,
  official_area_m2 double precision NOT NULL,
  linked_area_m2 double precision NOT NULL,
  evaluated_area_m2 double precision NOT NULL,
  transition_area_m2 double precision NOT NULL,
  covered_area_m2 double precision NOT NULL,
  covered_share double precision NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL
);
CREATE TABLE layers.township_coverage (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  township_code text COLLATE "C" NOT NULL UNIQUE,
  name text NOT NULL,
  kind text NOT NULL,
  base_area_m2 double precision NOT NULL,
  linked_area_m2 double precision NOT NULL,
  evaluated_area_m2 double precision NOT NULL,
  transition_area_m2 double precision NOT NULL,
  covered_area_m2 double precision NOT NULL,
  coverage_ratio double precision,
  strict_ratio double precision,
  target_ratio double precision NOT NULL,
  gap_mu double precision NOT NULL,
  definition text NOT NULL,
  count_above integer NOT NULL,
  count_below_ge3 integer NOT NULL,
  count_below_lt3 integer NOT NULL,
  count_tenant_only integer NOT NULL,
  count_parcel_merged integer NOT NULL,
  count_a integer NOT NULL,
  count_b integer NOT NULL,
  count_c integer NOT NULL,
  count_d integer NOT NULL,
  count_ungraded integer NOT NULL,
  geom geometry(MultiPolygon, :srid)
);
CREATE TABLE layers.uncovered_land (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  patch_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  township_code text COLLATE "C" NOT NULL,
  area_m2 double precision NOT NULL,
  area_mu double precision NOT NULL,
  reason text NOT NULL,
  next_step text NOT NULL,
  rank_in_township integer NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  UNIQUE (patch_code, parcel_code)
);
CREATE TABLE layers.review_queue (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  enterprise_name text NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  role text NOT NULL,
  stage text NOT NULL,
  reason text NOT NULL,
  rank integer,
  score double precision,
  runner_up_score double precision,
  question text NOT NULL,
  evidence text NOT NULL,
  missing text,
  address text,
  location text,
  township_code text NOT NULL,
  geom geometry(MultiPolygon, :srid),
  UNIQUE (enterprise_code, parcel_code, role)
);
CREATE TABLE layers.land_change (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id integer NOT NULL,
  parcel_code text COLLATE "C" NOT NULL UNIQUE,
  change_kind text NOT NULL CHECK (change_kind IN ('added', 'removed', 'attributes', 'geometry', 'both')),
  lineage_kind text,
  successor_codes text,
  predecessor_codes text,
  township_code text NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL
);
CREATE TABLE layers.data_issue (
  fid integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  issue_key text COLLATE "C" NOT NULL UNIQUE,
  rule text NOT NULL,
  severity text NOT NULL,
  feed text NOT NULL,
  subject_key text NOT NULL,
  file text,
  row_number integer,
  field text,
  message text NOT NULL,
  next_step text NOT NULL,
  size_m2 double precision,
  township_code text NOT NULL,
  geom geometry(MultiPolygon, :srid)
);

-- QGIS draws and filters by place; township staff filter by township.
CREATE INDEX parcel_geom ON layers.parcel USING gist (geom);
CREATE INDEX enterprise_geom ON layers.enterprise USING gist (geom);
CREATE INDEX enterprise_land_geom ON layers.enterprise_land USING gist (geom);
CREATE INDEX evaluation_unit_geom ON layers.evaluation_unit USING gist (geom);
CREATE INDEX industrial_patch_geom ON layers.industrial_patch USING gist (geom);
CREATE INDEX township_coverage_geom ON layers.township_coverage USING gist (geom);
CREATE INDEX uncovered_land_geom ON layers.uncovered_land USING gist (geom);
CREATE INDEX review_queue_geom ON layers.review_queue USING gist (geom);
CREATE INDEX land_change_geom ON layers.land_change USING gist (geom);
CREATE INDEX data_issue_geom ON layers.data_issue USING gist (geom);
-- replace_rows finds the rows of a scope by these.
CREATE INDEX enterprise_land_parcel ON layers.enterprise_land (parcel_code);
CREATE INDEX evaluation_unit_component ON layers.evaluation_unit (component);
CREATE INDEX uncovered_land_township ON layers.uncovered_land (township_code);

-- The table that QGIS itself creates for default styles, in the form that 3.22 to 4.x read.
CREATE TABLE IF NOT EXISTS public.layer_styles (
  id serial PRIMARY KEY,
  f_table_catalog varchar,
  f_table_schema varchar,
  f_table_name varchar,
  f_geometry_column varchar,
  stylename text,
  styleqml xml,
  stylesld xml,
  useasdefault boolean,
  description text,
  owner varchar(63),
  ui xml,
  update_time timestamp DEFAULT current_timestamp,
  type varchar
);
COMMENT ON TABLE public.layer_styles IS 'QGIS styles of the published layers';

GRANT USAGE ON SCHEMA layers TO diqi_viewer, diqi_reviewer;
GRANT SELECT ON ALL TABLES IN SCHEMA layers TO diqi_viewer, diqi_reviewer;
GRANT SELECT ON public.layer_styles TO diqi_viewer, diqi_reviewer;
GRANT USAGE ON SCHEMA core TO diqi_reviewer;
GRANT SELECT, INSERT ON core.decision, core.correction, core.correction_answer, core.verification TO diqi_reviewer;
GRANT SELECT, INSERT ON core.evaluation_decision, core.round_act TO diqi_reviewer;
GRANT SELECT ON core.evaluation, core.issued_unit, core.issued_member, core.issued_link, core.issued_standard
TO diqi_reviewer;
-- QGIS asks the sequence of a key before it inserts.
GRANT USAGE ON ALL SEQUENCES IN SCHEMA core TO diqi_reviewer;
GRANT USAGE ON SCHEMA raw, ops TO diqi_loader;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA raw TO diqi_loader;
GRANT SELECT, INSERT, UPDATE ON ops.delivery, ops.delivered, ops.issue TO diqi_loader;
