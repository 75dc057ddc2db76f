-- What the steps compute. May be dropped and rebuilt from raw and core; one writer per table.

CREATE TABLE derived.parcel_patch (
  parcel_code text COLLATE "C" NOT NULL,
  patch_code text COLLATE "C" NOT NULL,
  area_m2 numeric NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  PRIMARY KEY (parcel_code, patch_code)
);
-- measure_coverage collects the pieces of a patch.
CREATE INDEX parcel_patch_patch ON derived.parcel_patch (patch_code);
COMMENT ON TABLE derived.parcel_patch IS 'Piece of an industrial survey patch under a parcel; area on the ellipsoid';

CREATE TABLE derived.parcel_township (
  parcel_code text COLLATE "C" PRIMARY KEY,
  township_code text COLLATE "C" NOT NULL,
  area_code text COLLATE "C" NOT NULL,
  is_industrial boolean NOT NULL,
  patch_area_m2 numeric NOT NULL
);
CREATE INDEX parcel_township_township ON derived.parcel_township (township_code);
COMMENT ON TABLE derived.parcel_township IS 'Township of each parcel, from the survey patches under it, and whether it holds industrial land';

CREATE TABLE derived.parcel_successor (
  parcel_code text COLLATE "C" NOT NULL,
  successor_code text COLLATE "C" NOT NULL,
  share numeric NOT NULL CHECK (share >= 0 AND share <= 1),
  successor_share numeric NOT NULL CHECK (successor_share >= 0 AND successor_share <= 1),
  retired_run integer NOT NULL,
  steps integer NOT NULL,
  follow text NOT NULL CHECK (follow IN ('followed', 'candidate', 'rest')),
  PRIMARY KEY (parcel_code, successor_code)
);
-- The scopes of later steps go back from a parcel to the retired codes that lead to it.
CREATE INDEX parcel_successor_successor ON derived.parcel_successor (successor_code);
COMMENT ON TABLE derived.parcel_successor IS 'Open parcels on the land of a retired one; what names the retired one counts for the followed, or is asked for each candidate';

CREATE TABLE derived.patch_border (
  patch_code text COLLATE "C" PRIMARY KEY,
  geom geometry(MultiLineString, :srid) NOT NULL
);
COMMENT ON TABLE derived.patch_border IS 'Border of a survey patch on which no other patch lies: edge of the county, of a gap or of an overlap';

CREATE TABLE derived.patch_topology (
  vintage integer NOT NULL,
  rule text COLLATE "C" NOT NULL,
  patch_code text COLLATE "C" NOT NULL,
  other_code text COLLATE "C" NOT NULL,
  size_m2 numeric NOT NULL,
  is_sliver boolean NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  PRIMARY KEY (rule, patch_code, other_code)
);
COMMENT ON TABLE derived.patch_topology IS 'Overlap or gap between two survey patches; area on the ellipsoid';

CREATE TABLE derived.parcel_topology (
  rule text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  other_code text COLLATE "C" NOT NULL,
  size_m2 numeric NOT NULL,
  is_sliver boolean NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  PRIMARY KEY (rule, parcel_code, other_code)
);
COMMENT ON TABLE derived.parcel_topology IS 'Overlap of two parcels, or narrow gap between them; plane area';

CREATE TABLE derived.footprint_topology (
  rule text COLLATE "C" NOT NULL,
  footprint_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  main_code text COLLATE "C" NOT NULL,
  size_m2 numeric NOT NULL,
  is_sliver boolean NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  PRIMARY KEY (footprint_code, parcel_code)
);
COMMENT ON TABLE derived.footprint_topology IS 'Part of a footprint on a parcel besides the one that holds most of it; plane area';

-- What the words of an address say. Numbers hold from number to number_to, both ends included.
CREATE TABLE derived.enterprise_address (
  enterprise_code text COLLATE "C" PRIMARY KEY,
  township_code text COLLATE "C",
  is_former boolean NOT NULL,
  village text COLLATE "C",
  road text COLLATE "C",
  number integer,
  number_to integer,
  sub_number text COLLATE "C",
  park text COLLATE "C",
  building text COLLATE "C",
  room text COLLATE "C",
  understood numeric NOT NULL CHECK (understood BETWEEN 0 AND 1),
  rest text
);
-- link_enterprises meets addresses by road and place.
CREATE INDEX enterprise_address_road ON derived.enterprise_address (road);
CREATE INDEX enterprise_address_village ON derived.enterprise_address (village);
COMMENT ON TABLE derived.enterprise_address IS 'Parts of the address of each enterprise, and how much of it was understood';
CREATE TABLE derived.parcel_address (LIKE derived.enterprise_address INCLUDING CONSTRAINTS);
ALTER TABLE derived.parcel_address DROP COLUMN enterprise_code, ADD parcel_code text COLLATE "C" PRIMARY KEY,
ADD road_place text COLLATE "C", ADD road_town text COLLATE "C";
CREATE INDEX parcel_address_village_number ON derived.parcel_address (road, village, number);
CREATE INDEX parcel_address_township_number ON derived.parcel_address (road, township_code, number);
CREATE INDEX parcel_address_number ON derived.parcel_address (road, number);
CREATE INDEX parcel_address_range ON derived.parcel_address (road) WHERE number_to > number;
CREATE INDEX parcel_address_nowhere ON derived.parcel_address (road) WHERE township_code IS NULL;
CREATE INDEX parcel_address_park ON derived.parcel_address (park) WHERE park IS NOT NULL;
COMMENT ON TABLE derived.parcel_address IS 'Parts of the location of each parcel, and how much of it was understood';

CREATE TABLE derived.road_alias (
  road text COLLATE "C" PRIMARY KEY,
  known_road text COLLATE "C" NOT NULL
);
COMMENT ON TABLE derived.road_alias IS 'Roads of enterprises on which no parcel lies, and the only road with parcels that differs in one character';

CREATE TABLE derived.place (
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('village', 'road')),
  name text COLLATE "C" NOT NULL,
  township_code text COLLATE "C" NOT NULL,
  records integer NOT NULL,
  share numeric NOT NULL CHECK (share BETWEEN 0 AND 1),
  PRIMARY KEY (kind, name)
);
COMMENT ON TABLE derived.place IS 'Villages and roads that lie in one township, by the addresses that name both';

CREATE TABLE derived.enterprise_township (
  enterprise_code text COLLATE "C" PRIMARY KEY,
  township_code text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL CHECK (source IN ('registry', 'address', 'village', 'road', 'none'))
);
COMMENT ON TABLE derived.enterprise_township IS 'Township of each enterprise, and what says so';

-- Where an enterprise says that it is, as it is compared with parcels: of two townships that of the address, and
-- the road with parcels that is meant.
CREATE VIEW derived.address_in_place AS
SELECT
  t.enterprise_code, a.village, coalesce(r.known_road, a.road) AS road, r.road IS NOT NULL AS is_road_alias,
  a.number, a.number_to, a.sub_number, a.park, coalesce(a.township_code, t.township_code) AS township_code
FROM derived.enterprise_township AS t
LEFT JOIN derived.enterprise_address AS a ON a.enterprise_code = t.enterprise_code
LEFT JOIN derived.road_alias AS r ON r.road = a.road;
COMMENT ON VIEW derived.address_in_place IS 'Address of each enterprise as it is compared with parcels';

-- Names by their parts. blocks: what a name shares with those that sound alike or differ in one character.
CREATE TABLE derived.enterprise_name (
  enterprise_code text COLLATE "C" NOT NULL,
  name_key text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('current', 'former')),
  is_person boolean NOT NULL,
  region text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL,
  form text COLLATE "C" NOT NULL,
  branch text COLLATE "C" NOT NULL,
  sound text COLLATE "C" NOT NULL,
  blocks text[] NOT NULL,
  PRIMARY KEY (enterprise_code, name_key)
);
CREATE INDEX enterprise_name_key ON derived.enterprise_name (name_key);
CREATE INDEX enterprise_name_body ON derived.enterprise_name (body);
-- A run looks names up right after it has written them: nothing may wait in the list that is merged later.
CREATE INDEX enterprise_name_blocks ON derived.enterprise_name USING gin (blocks) WITH (fastupdate = off);
COMMENT ON TABLE derived.enterprise_name IS 'Present and former names of enterprises, by their parts';
CREATE TABLE derived.party_name (
  name_key text COLLATE "C" PRIMARY KEY,
  region text COLLATE "C" NOT NULL,
  body text COLLATE "C" NOT NULL,
  form text COLLATE "C" NOT NULL,
  branch text COLLATE "C" NOT NULL,
  sound text COLLATE "C" NOT NULL,
  blocks text[] NOT NULL
);
CREATE INDEX party_name_body ON derived.party_name (body);
CREATE INDEX party_name_blocks ON derived.party_name USING gin (blocks) WITH (fastupdate = off);
COMMENT ON TABLE derived.party_name IS 'Names of right holders and lessees without a credit code, by their parts';

-- The closed lists of stages and reasons; pipeline.domain.linking holds the same.
CREATE TABLE core.link_stage (
  stage text COLLATE "C" PRIMARY KEY,
  stage_no integer NOT NULL UNIQUE,
  -- stages that count together: an enterprise is settled by the first group that decides
  stage_group integer NOT NULL
);
COMMENT ON TABLE core.link_stage IS 'Stages of the link search, in order';
INSERT INTO core.link_stage VALUES
  ('decision', 0, 0),
  ('right_code', 1, 1),
  ('lease_code', 2, 1),
  ('registry_parcel', 3, 2),
  ('registry_certificate', 4, 2),
  ('account', 5, 5),
  ('footprint_drawn', 6, 6),
  ('footprint_overlap', 7, 7),
  ('right_name', 8, 8),
  ('lease_name', 9, 9),
  ('past_link', 10, 10),
  ('address', 11, 11),
  ('point', 12, 12),
  ('name_similar', 13, 13);
CREATE TABLE core.link_reason (reason text COLLATE "C" PRIMARY KEY);
COMMENT ON TABLE core.link_reason IS 'Reasons of links, a closed list';
INSERT INTO core.link_reason VALUES
  ('decided_by_person'),
  ('right_holder_code'),
  ('lessee_code'),
  ('registry_parcel_code'),
  ('registry_certificate_no'),
  ('account_parcel'),
  ('largest_drawing'),
  ('smaller_drawing'),
  ('largest_building'),
  ('smaller_building'),
  ('right_holder_name'),
  ('lessee_name'),
  ('former_name'),
  ('name_alias'),
  ('name_alone'),
  ('name_not_unique'),
  ('person_name'),
  ('past_link'),
  ('address_equal'),
  ('address_not_unique'),
  ('address_road'),
  ('address_park'),
  ('point_inside'),
  ('point_near'),
  ('point_tied'),
  ('point_beside'),
  ('name_sounds_alike'),
  ('name_one_character'),
  ('parent_company'),
  ('successor_unclear'),
  ('code_and_name_differ'),
  ('contradicted');

CREATE TABLE derived.address_match (
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL REFERENCES core.link_reason,
  PRIMARY KEY (enterprise_code, parcel_code)
);
COMMENT ON TABLE derived.address_match IS 'Parcels that the address of an enterprise means, or may mean';
CREATE TABLE derived.point_match (
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  place integer NOT NULL,
  distance_m numeric NOT NULL,
  is_tied boolean NOT NULL,
  is_beside boolean NOT NULL,
  passes boolean NOT NULL,
  PRIMARY KEY (enterprise_code, parcel_code)
);
COMMENT ON TABLE derived.point_match IS 'Parcels in which, or beside which, the point of an enterprise lies';

CREATE TABLE derived.link_candidate (
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'tenant', 'sub_tenant', 'operator')),
  stage text COLLATE "C" NOT NULL REFERENCES core.link_stage,
  stage_no integer NOT NULL,
  reason text COLLATE "C" NOT NULL REFERENCES core.link_reason,
  evidence_key text COLLATE "C" NOT NULL,
  score numeric NOT NULL CHECK (score BETWEEN 0 AND 1),
  parts jsonb NOT NULL,
  is_ambiguous boolean NOT NULL,
  named_code text COLLATE "C",
  valid_from date,
  valid_to date,
  PRIMARY KEY (enterprise_code, parcel_code, role, stage, evidence_key)
);
CREATE INDEX link_candidate_parcel ON derived.link_candidate (parcel_code);
COMMENT ON TABLE derived.link_candidate IS 'Every piece of evidence that ties an enterprise to a parcel';

CREATE TABLE derived.link (
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'tenant', 'sub_tenant', 'operator')),
  stage text COLLATE "C" NOT NULL REFERENCES core.link_stage,
  reason text COLLATE "C" NOT NULL REFERENCES core.link_reason,
  score numeric NOT NULL CHECK (score BETWEEN 0 AND 1),
  parts jsonb NOT NULL,
  runner_up_score numeric,
  gap numeric,
  status text NOT NULL CHECK (status IN ('accepted', 'review', 'rejected')),
  -- place among the questions about the enterprise, best first
  rank integer,
  evidence_keys text[] NOT NULL,
  named_code text COLLATE "C",
  valid_from date,
  valid_to date,
  -- what the evidence says of the part of the parcel
  share_hint numeric,
  land_hint_m2 numeric,
  floor_hint_m2 numeric,
  PRIMARY KEY (enterprise_code, parcel_code, role)
);
CREATE INDEX link_parcel ON derived.link (parcel_code);
COMMENT ON TABLE derived.link IS '一码关联: links of enterprises to parcels, with stage, reason and status';

CREATE TABLE derived.seat (
  enterprise_code text COLLATE "C" PRIMARY KEY,
  seat_state text NOT NULL CHECK (
    seat_state IN ('linked', 'in_review', 'no_industrial_premises', 'off_site', 'unknown')
  ),
  reason text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C",
  township_code text COLLATE "C" NOT NULL,
  -- what would have placed it, in a fixed order; empty where it is placed
  missing text[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE derived.seat IS 'Exactly one seat state per enterprise; parcel_code is its main parcel';

CREATE TABLE derived.allocation (
  parcel_code text COLLATE "C" NOT NULL,
  enterprise_code text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  method text COLLATE "C" NOT NULL CHECK (
    method IN ('sole', 'signed', 'share', 'footprint', 'floor', 'remainder', 'undivided', 'conflict', 'rest')
  ),
  allocated_m2 numeric NOT NULL CHECK (allocated_m2 >= 0),
  share numeric NOT NULL CHECK (share BETWEEN 0 AND 1),
  is_undivided boolean NOT NULL,
  evidence_keys text[] NOT NULL,
  PRIMARY KEY (parcel_code, enterprise_code)
);
CREATE INDEX allocation_enterprise ON derived.allocation (enterprise_code);
COMMENT ON TABLE derived.allocation IS 'Area of each parcel per user; enterprise_code '''' is the rest: undivided among users, or allocated to nobody';

CREATE TABLE derived.transition (
  enterprise_code text COLLATE "C" NOT NULL,
  rule text COLLATE "C" NOT NULL,
  event_no text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C",
  takes text COLLATE "C" NOT NULL CHECK (takes IN ('enterprise', 'land')),
  land_area_m2 numeric,
  valid_from date NOT NULL,
  valid_to date NOT NULL,
  is_in_force boolean NOT NULL,
  is_by_day boolean NOT NULL,
  is_upper_bound boolean NOT NULL,
  is_beyond_bound boolean NOT NULL,
  PRIMARY KEY (enterprise_code, rule, event_no)
);
COMMENT ON TABLE derived.transition IS '过渡期: what the rule set makes of events and first recognitions; takes land: its area is deducted';

CREATE TABLE derived.unit (
  year integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  component text COLLATE "C" NOT NULL,
  kind text NOT NULL CHECK (kind IN ('enterprise', 'parcel', 'merged')),
  kind_reason text COLLATE "C" NOT NULL,
  eval_category text COLLATE "C" NOT NULL CHECK (
    eval_category IN ('ABOVE', 'BELOW_GE3', 'BELOW_LT3', 'TENANT_ONLY', 'PARCEL_MERGED', 'NOT_EVALUATED')
  ),
  eval_state text NOT NULL CHECK (eval_state IN ('evaluated', 'transition', 'excluded', 'no_data')),
  state_reason text COLLATE "C" NOT NULL,
  member_count integer NOT NULL,
  parcel_count integer NOT NULL,
  eval_area_m2 numeric NOT NULL CHECK (eval_area_m2 >= 0),
  PRIMARY KEY (year, unit_code)
);
CREATE INDEX unit_component ON derived.unit (component);
COMMENT ON TABLE derived.unit IS 'Evaluation units: enterprise, parcel or merged evaluation, with the reason';

CREATE TABLE derived.unit_member (
  year integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  component text COLLATE "C" NOT NULL,
  area_m2 numeric NOT NULL CHECK (area_m2 >= 0),
  -- the part of it that is in transition and not counted when its unit is graded
  deducted_m2 numeric NOT NULL DEFAULT 0 CHECK (deducted_m2 BETWEEN 0 AND area_m2),
  PRIMARY KEY (year, unit_code, enterprise_code, parcel_code)
);
CREATE INDEX unit_member_parcel ON derived.unit_member (parcel_code);
CREATE INDEX unit_member_enterprise ON derived.unit_member (enterprise_code);
CREATE INDEX unit_member_component ON derived.unit_member (component);
COMMENT ON TABLE derived.unit_member IS 'Land of a unit per member and parcel; enterprise_code '''' holds land that its members use undivided';

-- Who belongs to a unit, whatever land each brings: what rules look at is known of enterprises.
CREATE VIEW derived.unit_enterprise AS
SELECT DISTINCT m.year, m.unit_code, m.component, m.enterprise_code
FROM derived.unit_member AS m
WHERE m.enterprise_code <> '';
COMMENT ON VIEW derived.unit_enterprise IS 'Enterprises of each unit, one row each';

CREATE TABLE derived.parcel_state (
  parcel_code text COLLATE "C" PRIMARY KEY,
  reference_area_m2 numeric NOT NULL,
  linked_m2 numeric NOT NULL,
  evaluated_m2 numeric NOT NULL,
  transition_m2 numeric NOT NULL,
  linked_share numeric NOT NULL CHECK (linked_share BETWEEN 0 AND 1),
  evaluated_share numeric NOT NULL CHECK (evaluated_share BETWEEN 0 AND 1),
  transition_share numeric NOT NULL CHECK (transition_share BETWEEN 0 AND 1)
);
COMMENT ON TABLE derived.parcel_state IS 'How much of each parcel is linked, evaluated and in transition';

CREATE TABLE derived.patch_cover (
  patch_code text COLLATE "C" NOT NULL,
  area_code text COLLATE "C" NOT NULL,
  township_code text COLLATE "C" NOT NULL,
  base_area_m2 numeric NOT NULL,
  linked_area_m2 numeric NOT NULL,
  evaluated_area_m2 numeric NOT NULL,
  transition_area_m2 numeric NOT NULL,
  covered_area_m2 numeric NOT NULL,
  PRIMARY KEY (patch_code, area_code)
);
CREATE INDEX patch_cover_area ON derived.patch_cover (area_code);
COMMENT ON TABLE derived.patch_cover IS 'State of the land of each industrial patch in each assessment unit, in official area';

CREATE TABLE derived.patch_gap (
  patch_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  township_code text COLLATE "C" NOT NULL,
  area_m2 numeric NOT NULL,
  reason text NOT NULL,
  geom geometry(MultiPolygon, :srid) NOT NULL,
  PRIMARY KEY (patch_code, parcel_code)
);
CREATE INDEX patch_gap_township ON derived.patch_gap (township_code);
COMMENT ON TABLE derived.patch_gap IS 'Land of each industrial patch that is not covered, by parcel, and why';

CREATE TABLE derived.township_coverage (
  area_code text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL,
  base_area_m2 numeric NOT NULL,
  linked_area_m2 numeric NOT NULL,
  evaluated_area_m2 numeric NOT NULL,
  transition_area_m2 numeric NOT NULL,
  covered_area_m2 numeric NOT NULL,
  coverage_ratio numeric,
  strict_ratio numeric,
  target_ratio numeric NOT NULL,
  gap_m2 numeric NOT NULL,
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
  count_ungraded integer NOT NULL
);
COMMENT ON TABLE derived.township_coverage IS 'Coverage of each assessment unit (township or zone) by the definition named in it';

CREATE TABLE derived.unit_value (
  year integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  indicator text COLLATE "C" NOT NULL,
  of_year integer NOT NULL,
  component text COLLATE "C" NOT NULL,
  value numeric NOT NULL,
  member_count integer NOT NULL,
  PRIMARY KEY (year, unit_code, indicator, of_year)
);
CREATE INDEX unit_value_component ON derived.unit_value (component);
COMMENT ON TABLE derived.unit_value IS 'Figures of a unit: sums over the members that have one; yuan, kWh, tce, tonnes, persons';

CREATE TABLE derived.rule_set (
  year integer PRIMARY KEY,
  rule_set text COLLATE "C" NOT NULL,
  rules text NOT NULL
);
COMMENT ON TABLE derived.rule_set IS 'The rule set that the computed grades are by, whole; none without one';

CREATE TABLE derived.benchmark (
  year integer NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('benchmark', 'minimum', 'maximum', 'mean_points', 'cut')),
  scale text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  group_key text COLLATE "C" NOT NULL,
  value numeric NOT NULL,
  unit_count integer NOT NULL,
  PRIMARY KEY (year, kind, scale, name, group_key)
);
COMMENT ON TABLE derived.benchmark IS 'What grades depend on besides the unit itself: benchmarks, ends of scales, mean points, cuts';

CREATE TABLE derived.grade (
  year integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  score numeric,
  grade text COLLATE "C",
  source text COLLATE "C" NOT NULL CHECK (source IN ('decision', 'official', 'computed')),
  edition text COLLATE "C" NOT NULL,
  official_score numeric,
  official_grade text COLLATE "C",
  computed_score numeric,
  bonus numeric,
  initial_grade text COLLATE "C",
  adjusted_grade text COLLATE "C",
  decided_grade text COLLATE "C",
  parts_at text COLLATE "C",
  obstacle text COLLATE "C",
  lacking text[] NOT NULL,
  PRIMARY KEY (year, unit_code)
);
COMMENT ON TABLE derived.grade IS 'Grade of each unit: decided by a person, else official, else computed by the rule set; all three are kept';

CREATE TABLE derived.reading (
  year integer NOT NULL,
  reading text COLLATE "C" NOT NULL,
  graded integer NOT NULL,
  changed integer NOT NULL,
  PRIMARY KEY (year, reading)
);
COMMENT ON TABLE derived.reading IS 'How many computed grades another reading of the papers would change';

CREATE TABLE derived.policy_use (
  year integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  rule text COLLATE "C" NOT NULL,
  effect text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('applies', 'suspended', 'undecided')),
  rate numeric,
  because text COLLATE "C",
  PRIMARY KEY (year, unit_code, rule)
);
COMMENT ON TABLE derived.policy_use IS '结果应用: what the rule set makes of each grade that is shown; suspended: because of another rule';

CREATE TABLE derived.policy_electricity (
  enterprise_code text COLLATE "C" NOT NULL,
  account_no text COLLATE "C" NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  grade text COLLATE "C" NOT NULL,
  match_state text NOT NULL CHECK (match_state IN ('matched', 'no_account')),
  is_suspended boolean NOT NULL,
  PRIMARY KEY (enterprise_code, account_no)
);
COMMENT ON TABLE derived.policy_electricity IS 'D-grade enterprises with their electricity accounts; no_account: none is known';

-- The business date of the run or moment that is under way in this transaction, else of the publication.
-- plpgsql: the publication is made by a later migration.
CREATE FUNCTION ops.as_of()
RETURNS date
LANGUAGE plpgsql STABLE
AS $$
BEGIN
  RETURN coalesce(
    CAST(nullif(current_setting('diqi.as_of', true), '') AS date), (SELECT p.as_of FROM layers.publication AS p));
END
$$;
COMMENT ON FUNCTION ops.as_of() IS 'Business date of the run under way, else of what is published';

-- Rights, leases and decisions, on the parcel where their land is now. named_code is the retired code
-- that the row names, NULL where it names an open parcel; is_unclear rows stand once per candidate and
-- decide nothing. A right that followed holds its share of the part of the parcel that its land is.
-- A row that names a retired parcel gives way where its office has said anew, in or after the run that
-- retired the code, who is in force on the successor: any right there, or a lease there of the same
-- lessee. A newer lease that bears no more than the lessee's name makes the old one a question.
CREATE VIEW derived.right_in_place AS
SELECT
  coalesce(s.successor_code, r.parcel_code) AS parcel_code,
  CASE WHEN s.successor_code IS NOT NULL THEN r.parcel_code END AS named_code,
  coalesce(s.follow = 'candidate', false) AS is_unclear,
  r.record_key, r.holder_code, r.holder_name_key, r.certificate_key,
  r.share * coalesce(s.successor_share, 1) AS share,
  r.valid_from, r.valid_to
FROM core."right" AS r
LEFT JOIN derived.parcel_successor AS s ON s.parcel_code = r.parcel_code AND s.follow <> 'rest'
WHERE r.to_run IS NULL AND r.right_state = 'current' AND (
  s.parcel_code IS NULL OR NOT EXISTS (
    SELECT 1
    FROM derived.parcel_successor AS o
    JOIN core."right" AS n ON n.parcel_code = o.successor_code AND n.to_run IS NULL AND n.right_state = 'current'
      AND (n.valid_from IS NULL OR n.valid_from <= ops.as_of()) AND (n.valid_to IS NULL OR ops.as_of() < n.valid_to)
    WHERE o.parcel_code = s.parcel_code AND o.follow <> 'rest' AND NOT EXISTS (
      SELECT 1
      FROM core."right" AS v
      WHERE v.parcel_code = n.parcel_code AND v.right_no = n.right_no AND v.holder_key = n.holder_key
        AND v.from_run < o.retired_run
    )
  )
);
COMMENT ON VIEW derived.right_in_place IS 'Current rights on the parcels where their land is now';

CREATE VIEW derived.lease_in_place AS
SELECT
  coalesce(s.successor_code, l.parcel_code) AS parcel_code,
  CASE WHEN s.successor_code IS NOT NULL THEN l.parcel_code END AS named_code,
  coalesce(s.follow = 'candidate' OR newer.is_of_name, false) AS is_unclear,
  l.record_key, l.lease_no, l.lessor_code, l.lessor_name_key, l.lessee_code, l.lessee_name_key,
  l.land_area_m2, l.floor_area_m2, l.valid_from, l.valid_to
FROM core.lease AS l
LEFT JOIN derived.parcel_successor AS s ON s.parcel_code = l.parcel_code AND s.follow <> 'rest'
LEFT JOIN LATERAL (
  SELECT
    bool_or(coalesce(n.lessee_code = l.lessee_code, false) OR l.lessee_code IS NULL) AS is_the_same,
    bool_or(l.lessee_code IS NOT NULL AND n.lessee_code IS NULL) AS is_of_name
  FROM derived.parcel_successor AS o
  JOIN core.lease AS n ON n.parcel_code = o.successor_code AND n.to_run IS NULL
    AND (n.valid_from IS NULL OR n.valid_from <= ops.as_of()) AND (n.valid_to IS NULL OR ops.as_of() < n.valid_to)
    AND (n.lessee_code = l.lessee_code
      OR ((n.lessee_code IS NULL OR l.lessee_code IS NULL) AND n.lessee_name_key = l.lessee_name_key))
  WHERE s.parcel_code IS NOT NULL AND o.parcel_code = s.parcel_code AND o.follow <> 'rest' AND NOT EXISTS (
    SELECT 1 FROM core.lease AS v WHERE v.lease_no = n.lease_no AND v.from_run < o.retired_run
  )
) AS newer ON s.parcel_code IS NOT NULL
WHERE l.to_run IS NULL AND NOT coalesce(newer.is_the_same, false);
COMMENT ON VIEW derived.lease_in_place IS 'Leases on the parcels where their land is now';

-- Of several acts that meet on one parcel, one that names it goes before one that followed, and whoever
-- was found on a part of the land is on it.
CREATE VIEW derived.decision_in_place AS
SELECT DISTINCT ON (d.enterprise_code, coalesce(s.successor_code, d.parcel_code))
  d.enterprise_code,
  coalesce(s.successor_code, d.parcel_code) AS parcel_code,
  CASE WHEN s.successor_code IS NOT NULL THEN d.parcel_code END AS named_code,
  coalesce(s.follow = 'candidate', false) AS is_unclear,
  d.kind, d.role, d.decision_id, d.author, d.reason
FROM core.current_decision AS d
LEFT JOIN derived.parcel_successor AS s ON s.parcel_code = d.parcel_code AND s.follow <> 'rest'
ORDER BY
  d.enterprise_code, coalesce(s.successor_code, d.parcel_code), coalesce(s.follow = 'candidate', false),
  s.successor_code IS NOT NULL, d.kind, d.decision_id DESC;
COMMENT ON VIEW derived.decision_in_place IS 'Decisions in force on the parcels where their land is now';

-- What names a parcel that is no more, and what became of it; no row is ever missing here.
CREATE VIEW derived.retired_evidence AS
WITH named AS (
  SELECT 'right' AS feed, r.record_key, r.parcel_code
  FROM core."right" AS r
  WHERE r.to_run IS NULL AND r.right_state = 'current'
  UNION ALL
  SELECT 'lease', l.record_key, l.parcel_code
  FROM core.lease AS l
  WHERE l.to_run IS NULL
  UNION ALL
  SELECT 'enterprise', n.enterprise_code, n.parcel_code
  FROM core.registry_parcel AS n
  UNION ALL
  SELECT 'account', a.record_key, a.parcel_code
  FROM core.account AS a
  WHERE a.to_run IS NULL AND a.parcel_code IS NOT NULL
  UNION ALL
  SELECT 'past_link', k.record_key, k.parcel_code
  FROM core.past_link AS k
  WHERE k.to_run IS NULL
  UNION ALL
  SELECT 'decision', CAST(d.decision_id AS text), d.parcel_code
  FROM core.current_decision AS d
  WHERE d.parcel_code IS NOT NULL
),
retired AS (
  SELECT n.feed, n.record_key, n.parcel_code
  FROM named AS n
  WHERE NOT EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = n.parcel_code AND p.to_run IS NULL)
    AND EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = n.parcel_code)
),
heir AS (
  SELECT
    s.parcel_code,
    bool_or(s.follow = 'followed') AS is_followed,
    string_agg(s.successor_code, ', ' ORDER BY s.follow, s.share DESC, s.successor_code) AS successor_codes
  FROM derived.parcel_successor AS s
  GROUP BY s.parcel_code
)
SELECT
  r.feed, r.record_key, r.parcel_code,
  CASE
    WHEN h.parcel_code IS NULL THEN 'no_successor'
    WHEN (r.feed = 'right' AND NOT EXISTS (SELECT 1 FROM derived.right_in_place AS i WHERE i.record_key = r.record_key))
      OR (r.feed = 'lease' AND NOT EXISTS (SELECT 1 FROM derived.lease_in_place AS i WHERE i.record_key = r.record_key))
      THEN 'superseded'
    WHEN NOT h.is_followed OR (r.feed = 'lease' AND EXISTS (
        SELECT 1 FROM derived.lease_in_place AS i WHERE i.record_key = r.record_key AND i.is_unclear
      )) THEN 'unclear'
    ELSE 'followed'
  END AS outcome,
  h.successor_codes
FROM retired AS r
LEFT JOIN heir AS h ON h.parcel_code = r.parcel_code;
COMMENT ON VIEW derived.retired_evidence IS 'Rows that name a retired parcel: followed, unclear (asked), superseded by newer rows, or without successor';

-- All that check_topology found, as issues and the layer of issues show it.
CREATE VIEW derived.topology AS
SELECT t.rule, 'patch' AS feed, t.patch_code AS subject_key, t.other_code AS detail_key, NULL AS main_code, t.size_m2, t.is_sliver, t.geom
FROM derived.patch_topology AS t
UNION ALL
SELECT t.rule, 'parcel', t.parcel_code, t.other_code, NULL, t.size_m2, t.is_sliver, t.geom
FROM derived.parcel_topology AS t
UNION ALL
SELECT t.rule, 'footprint', t.footprint_code, t.parcel_code, t.main_code, t.size_m2, t.is_sliver, t.geom
FROM derived.footprint_topology AS t;
COMMENT ON VIEW derived.topology IS 'Overlaps, gaps and footprints across parcels, slivers among them';

-- What is known of where an enterprise sits, as a person sees it who decides: one word per piece of evidence.
-- NULL before the first run that looked. Weak evidence, which comes and goes with the land of others, is left out.
CREATE FUNCTION derived.evidence_of(enterprise text)
RETURNS jsonb
LANGUAGE sql STABLE
AS $$
  SELECT CASE WHEN EXISTS (SELECT 1 FROM derived.seat AS s WHERE s.enterprise_code = enterprise) THEN (
    SELECT coalesce(jsonb_agg(DISTINCT concat_ws(' ', c.stage, c.parcel_code, c.role, c.evidence_key)), '[]')
    FROM derived.link_candidate AS c
    WHERE c.enterprise_code = enterprise AND c.stage <> 'decision'
      AND (c.stage_no <= 10 OR c.reason IN ('address_equal', 'point_inside', 'point_near'))
  ) END
$$;
COMMENT ON FUNCTION derived.evidence_of(text) IS 'Evidence on an enterprise, one word per piece; NULL before the first run that looked';

CREATE TABLE derived.stale_decision (
  decision_id bigint PRIMARY KEY,
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C",
  come text[] NOT NULL,
  gone text[] NOT NULL
);
CREATE INDEX stale_decision_enterprise ON derived.stale_decision (enterprise_code);
COMMENT ON TABLE derived.stale_decision IS 'Decisions in force whose evidence has changed since, and what came and went';
