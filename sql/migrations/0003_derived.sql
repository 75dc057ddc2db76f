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

CREATE TABLE derived.link_candidate (
  enterprise_code text COLLATE "C" NOT NULL,
  parcel_code text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'tenant', 'sub_tenant', 'operator')),
  stage text COLLATE "C" NOT NULL,
  stage_no integer NOT NULL,
  reason text COLLATE "C" NOT NULL,
  evidence_key text COLLATE "C" NOT NULL,
  score numeric NOT NULL CHECK (score BETWEEN 0 AND 1),
  is_ambiguous boolean NOT NULL,
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
  stage text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  score numeric NOT NULL CHECK (score BETWEEN 0 AND 1),
  runner_up_score numeric,
  gap numeric,
  status text NOT NULL CHECK (status IN ('accepted', 'review', 'rejected')),
  evidence_keys text[] NOT NULL,
  valid_from date,
  valid_to date,
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
  township_code text COLLATE "C" NOT NULL
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
  PRIMARY KEY (year, unit_code, enterprise_code, parcel_code)
);
CREATE INDEX unit_member_parcel ON derived.unit_member (parcel_code);
CREATE INDEX unit_member_enterprise ON derived.unit_member (enterprise_code);
CREATE INDEX unit_member_component ON derived.unit_member (component);
COMMENT ON TABLE derived.unit_member IS 'Land of a unit per member and parcel; enterprise_code '''' holds land that its members use undivided';

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

CREATE TABLE derived.grade (
  year integer NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  score numeric,
  grade text COLLATE "C" NOT NULL,
  source text COLLATE "C" NOT NULL,
  edition text COLLATE "C" NOT NULL,
  PRIMARY KEY (year, unit_code)
);
COMMENT ON TABLE derived.grade IS 'Grade of each unit; source official: joined from the delivered official result';

CREATE TABLE derived.policy_electricity (
  enterprise_code text COLLATE "C" NOT NULL,
  account_no text COLLATE "C" NOT NULL,
  unit_code text COLLATE "C" NOT NULL,
  grade text COLLATE "C" NOT NULL,
  match_state text NOT NULL CHECK (match_state IN ('matched', 'no_account')),
  PRIMARY KEY (enterprise_code, account_no)
);
COMMENT ON TABLE derived.policy_electricity IS 'D-grade enterprises with their electricity accounts; no_account: none is known';
