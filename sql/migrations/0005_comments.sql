-- What every table and column means: Chinese first, then English. A test compares the comments of
-- the layers with gis_layers/<layer>.toml.

COMMENT ON TABLE raw.patch IS '地类图斑原始行 Survey patches as delivered, content once';
COMMENT ON TABLE raw.parcel IS '宗地原始行 Parcels as delivered, content once';
COMMENT ON TABLE raw."right" IS '土地权利原始行 Land rights as delivered, content once';
COMMENT ON TABLE raw.lease IS '租赁合同原始行 Leases as delivered, content once';
COMMENT ON TABLE raw.enterprise IS '企业名录原始行 Enterprises as delivered, content once';
COMMENT ON TABLE raw.footprint IS '用地和建筑范围原始行 Drawn land and buildings as delivered, content once';
COMMENT ON TABLE raw.indicator IS '企业指标原始行 Indicators as delivered, content once';
COMMENT ON TABLE raw.recognition IS '企业认定原始行 Recognitions as delivered, content once';
COMMENT ON TABLE raw.account IS '用电户号原始行 Electricity accounts as delivered, content once';
COMMENT ON TABLE raw.score IS '评价结果原始行 Official scores as delivered, content once';
COMMENT ON TABLE raw.area IS '镇街和开发区原始行 Townships and zones as delivered, content once';
COMMENT ON TABLE core.patch IS '地类图斑 Survey patches with history';
COMMENT ON TABLE core.parcel IS '宗地 Parcels with history';
COMMENT ON TABLE core."right" IS '土地权利 Land rights with history';
COMMENT ON TABLE core.lease IS '租赁合同 Leases with history';
COMMENT ON TABLE core.enterprise IS '企业 Enterprises with history';
COMMENT ON TABLE core.footprint IS '用地和建筑范围 Drawn land and buildings with history';
COMMENT ON TABLE core.indicator IS '企业指标 Indicators with history';
COMMENT ON TABLE core.recognition IS '企业认定 Recognitions with history';
COMMENT ON TABLE core.account IS '用电户号 Electricity accounts with history';
COMMENT ON TABLE core.score IS '评价结果 Official scores with history';
COMMENT ON TABLE core.area IS '镇街和开发区 Townships and zones with history';
COMMENT ON TABLE layers.data_issue IS '数据问题 Data issues';
COMMENT ON TABLE layers.enterprise IS '企业 Enterprises';
COMMENT ON TABLE layers.review_queue IS '待核实关联 Links to review';
COMMENT ON TABLE layers.land_change IS '宗地变化 Parcel changes of the last run that changed land';
COMMENT ON TABLE layers.enterprise_land IS '企业用地 Land of enterprises';
COMMENT ON TABLE layers.evaluation_unit IS '评价单元 Evaluation units';
COMMENT ON TABLE layers.parcel IS '宗地 Parcels';
COMMENT ON TABLE layers.uncovered_land IS '未覆盖用地 Land not yet covered';
COMMENT ON TABLE layers.industrial_patch IS '工业图斑 Industrial survey patches';
COMMENT ON TABLE layers.township_coverage IS '评价覆盖面 Coverage by township and zone';

-- The same name means the same everywhere.
DO $do$
DECLARE
  entry record;
BEGIN
  FOR entry IN
    SELECT n.nspname, c.relname, a.attname, m.meaning
    FROM (
      VALUES
        ('account_no', '用电户号 Electricity account number'),
        ('act_id', '编号 Number of the decision or correction'),
        ('address', '地址 Address as delivered'),
        ('address_key', '地址匹配键 Normalised address, for matching'),
        ('allocated_m2', '分配面积（平方米） Allocated area in square metres'),
        ('area_code', '评价区域代码 Assessment unit: township code or zone code'),
        ('area_m2', '面积（平方米） Area in square metres'),
        ('as_of', '业务日期 Business date'),
        ('author', '填报人 Who entered it'),
        ('base_area_m2', '工业用地底数（平方米） Industrial base in square metres, official area'),
        ('certificate_key', '权证匹配键 Normalised certificate number, for matching'),
        ('certificate_no', '不动产权证号 Certificate number as delivered'),
        ('client_pid', '客户端进程号 Process of the client'),
        ('component', '连通组 Connected set of users and parcels'),
        ('content_hash', '内容指纹 Hash of the content'),
        ('correction_ids', '已采用的纠偏 Corrections applied to this version'),
        ('count_a', 'A档数 Units of grade A'),
        ('count_above', '规上企业单元数 Units of category ABOVE'),
        ('count_b', 'B档数 Units of grade B'),
        ('count_below_ge3', '规下3亩及以上单元数 Units of category BELOW_GE3'),
        ('count_below_lt3', '规下3亩以下单元数 Units of category BELOW_LT3'),
        ('count_c', 'C档数 Units of grade C'),
        ('count_d', 'D档数 Units of grade D'),
        ('count_parcel_merged', '地块评价单元数 Units of category PARCEL_MERGED'),
        ('count_tenant_only', '租赁企业单元数 Units of category TENANT_ONLY'),
        ('count_ungraded', '未定档数 Units without a grade'),
        ('coverage_ratio', '评价覆盖面 Covered area over base, 0 to 1, unrounded'),
        ('covered_area_m2', '已覆盖面积（平方米） Area evaluated or in transition, square metres, official area'),
        ('credit_code', '统一社会信用代码 Unified social credit code, 18 characters'),
        ('data_year', '数据年度 Data year of the evaluation'),
        ('definition', '口径 Definition of the coverage ratio'),
        ('delivery_id', '送件编号 Delivery it came with'),
        ('edition', '版本 Edition of the rules or of the official result'),
        ('ellipsoid_area_m2', '椭球面积（平方米） Area on the ellipsoid by the survey rule, square metres'),
        ('entered_at', '填报时间 When it was entered'),
        ('enterprise_code', '企业代码 Credit code, else the key of the feed'),
        ('error_code', '错误代码 Message code of the error'),
        ('error_params', '错误参数 Parameters of the message'),
        ('eval_area_m2', '评价面积（平方米） Evaluation area in square metres'),
        ('eval_category', '评价类别 Evaluation category'),
        ('eval_state', '评价状态 Evaluated, transition, excluded or no data'),
        ('evaluated_area_m2', '已评价面积（平方米） Area under evaluated land, square metres, official area'),
        ('evaluated_m2', '已评价面积（平方米） Evaluated area of the parcel, square metres'),
        ('evaluated_share', '已评价比例 Evaluated share of the parcel, 0 to 1'),
        ('evidence_keys', '依据记录 Records it rests on'),
        ('extra', '其余字段 Delivered columns without a canonical name'),
        ('feed', '数据类别 Feed'),
        ('field', '字段 Field'),
        ('file', '文件 Delivered file'),
        ('fingerprint', '步骤指纹 Hash of each step: its code, settings and rules'),
        ('finished_at', '结束时间 When it ended'),
        ('floor_area_m2', '建筑面积（平方米） Floor area in square metres'),
        ('floors', '层数 Number of floors'),
        ('footprint_code', '范围编号 Key of the drawn land or building'),
        ('from_run', '起始运行 Run that opened this version'),
        ('gap_m2', '距目标面积（平方米） Area missing to the target, square metres'),
        ('geom', '图形 Geometry in the county''s projected CRS'),
        ('grade', '档次 Grade'),
        ('holder_code', '权利人信用代码 Credit code of the right holder'),
        ('holder_key', '权利人键 Key of the right holder within the right'),
        ('holder_name', '权利人名称 Name of the right holder'),
        ('holder_name_key', '权利人匹配名 Normalised name of the right holder'),
        ('host', '主机 Machine'),
        ('indicator', '指标 Indicator'),
        ('industry_code', '行业代码 Industry code, GB/T 4754'),
        ('is_full', '全量运行 Whether everything was recomputed'),
        ('is_industrial', '含工业用地 Whether it holds industrial land'),
        ('key', '记录键 Key of the record'),
        ('kind_reason', '评价方式依据 Reason of the kind'),
        ('land_area_m2', '租赁土地面积（平方米） Signed land area in square metres'),
        ('land_use_code', '用途代码 Land use code as delivered'),
        ('layer_hash', '图层指纹 Hash of each published layer'),
        ('lease_no', '合同编号 Number of the lease'),
        ('lessee_code', '承租人信用代码 Credit code of the lessee'),
        ('lessee_name', '承租人名称 Name of the lessee'),
        ('lessee_name_key', '承租人匹配名 Normalised name of the lessee'),
        ('lessor_code', '出租人信用代码 Credit code of the lessor'),
        ('lessor_name', '出租人名称 Name of the lessor'),
        ('lessor_name_key', '出租人匹配名 Normalised name of the lessor'),
        ('level', '级别 Level of the recognition'),
        ('linked_area_m2', '已关联面积（平方米） Area under land linked to enterprises, square metres, official area'),
        ('linked_m2', '已关联面积（平方米） Area of the parcel linked to enterprises, square metres'),
        ('linked_share', '已关联比例 Share of the parcel linked to enterprises, 0 to 1'),
        ('location', '坐落 Location as registered'),
        ('location_code', '坐落单位代码 Location unit code ZLDWDM, 19 digits'),
        ('member_count', '企业数 Number of member enterprises'),
        ('name', '名称 Name'),
        ('name_key', '匹配名 Normalised name, for matching'),
        ('official_area_m2', '登记面积（平方米） Area as delivered, square metres'),
        ('parcel_code', '宗地代码 Parcel code, 19 characters'),
        ('parcel_count', '宗地数 Number of parcels'),
        ('patch_area_m2', '工业图斑面积（平方米） Area of industrial patches under the parcel, square metres, on the ellipsoid'),
        ('patch_code', '图斑代码 Survey patch: location unit and patch number'),
        ('plane_area_m2', '平面面积（平方米） Plane area of the geometry, square metres'),
        ('record_key', '记录键 Key of the record as text'),
        ('reference_area', '参考面积来源 Which area is the reference: official or plane'),
        ('reference_area_m2', '参考面积（平方米） Area that shares refer to, square metres'),
        ('registered_on', '成立日期 Date of registration'),
        ('right_area_m2', '权利面积（平方米） Area of the right in square metres'),
        ('right_no', '权利编号 Number of the right within the parcel'),
        ('right_state', '权利状态 State of the right'),
        ('role', '用地关系 Role: owner, tenant, sub_tenant or operator'),
        ('row_hash', '行指纹 Hash of the delivered row; leads to raw'),
        ('row_number', '行号 Row in the delivered file'),
        ('rule', '规则 Rule'),
        ('run_id', '运行编号 Run'),
        ('runner_up_score', '次优可信度 Score of the runner-up, 0 to 1'),
        ('seat_state', '落位状态 Seat state of the enterprise'),
        ('share', '份额 Share, 0 to 1'),
        ('size_class', '规模 Size class'),
        ('size_m2', '涉及面积（平方米） Area concerned, square metres'),
        ('stage', '关联环节 Stage of the link search'),
        ('stage_no', '环节序号 Rank of the stage, best first'),
        ('started_at', '开始时间 When it began'),
        ('state_reason', '评价状态依据 Reason of the state'),
        ('step', '步骤 Step'),
        ('step_count', '步骤计数 Counts of each step'),
        ('strict_ratio', '严格覆盖面 Evaluated area over base, 0 to 1, unrounded'),
        ('target_ratio', '目标覆盖面 Target of the coverage ratio'),
        ('to_run', '终止运行 Run that closed this version; NULL while it is open'),
        ('township_code', '镇街代码 Township code, 9 digits'),
        ('transition_area_m2', '过渡期面积（平方米） Area under land in transition, square metres, official area'),
        ('transition_m2', '过渡期面积（平方米） Area of the parcel in transition, square metres'),
        ('transition_share', '过渡期比例 Share of the parcel in transition, 0 to 1'),
        ('unit', '计量单位 Unit of the value'),
        ('unit_code', '评价单元代码 Evaluation unit'),
        ('valid_from', '生效日期 First day it holds'),
        ('valid_to', '失效日期 Day from which it no longer holds'),
        ('version', '程序版本 Version of the program'),
        ('vintage', '调查年份 Survey year'),
        ('year', '年度 Data year')
    ) AS m (attname, meaning)
    JOIN pg_attribute AS a ON a.attname = m.attname AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('raw', 'core', 'derived', 'layers', 'ops')
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', entry.nspname, entry.relname, entry.attname, entry.meaning);
  END LOOP;
END
$do$;

-- Where a name needs more than that.
DO $do$
DECLARE
  entry record;
BEGIN
  FOR entry IN
    SELECT n.nspname, c.relname, a.attname, m.meaning
    FROM (
      VALUES
        ('raw', 'parcel', 'unit_code', '不动产单元代码 Real estate unit code, 28 characters'),
        ('core', 'parcel', 'unit_code', '不动产单元代码 Real estate unit code, 28 characters'),
        ('raw', 'patch', 'official_area_m2', '图斑面积（平方米） Survey area TBMJ, square metres'),
        ('core', 'patch', 'official_area_m2', '图斑面积（平方米） Survey area TBMJ, square metres'),
        ('raw', 'patch', 'land_use_code', '地类编码 Survey land use code DLBM'),
        ('core', 'patch', 'land_use_code', '地类编码 Survey land use code DLBM'),
        ('raw', 'enterprise', 'status', '经营状态 State in the registry'),
        ('core', 'enterprise', 'status', '经营状态 State in the registry'),
        ('raw', 'enterprise', 'name', '企业名称 Enterprise name'),
        ('core', 'enterprise', 'name', '企业名称 Enterprise name'),
        ('raw', 'enterprise', 'parcel_code', '登记地块代码 Parcel code as the registry gives it'),
        ('core', 'enterprise', 'parcel_code', '登记地块代码 Parcel code as the registry gives it'),
        ('raw', 'area', 'kind', '类别 Kind of area: township, zone or park'),
        ('core', 'area', 'kind', '类别 Kind of area: township, zone or park'),
        ('raw', 'footprint', 'kind', '类别 Drawn land or building'),
        ('core', 'footprint', 'kind', '类别 Drawn land or building'),
        ('raw', 'recognition', 'kind', '认定类别 Kind of recognition'),
        ('core', 'recognition', 'kind', '认定类别 Kind of recognition'),
        ('raw', 'indicator', 'value', '指标值 Value in the given unit'),
        ('core', 'indicator', 'value', '指标值 Value in the given unit'),
        ('raw', 'score', 'score', '得分 Official score'),
        ('core', 'score', 'score', '得分 Official score'),
        ('raw', 'right', 'share', '共有份额 Registered share, 0 to 1'),
        ('core', 'right', 'share', '共有份额 Registered share, 0 to 1'),
        ('core', 'parcel_lineage', 'old_parcel_code', '原宗地代码 Removed parcel'),
        ('core', 'parcel_lineage', 'new_parcel_code', '新宗地代码 Added parcel'),
        ('core', 'parcel_lineage', 'kind', '沿革类型 Split, merged, renumbered or related'),
        ('core', 'parcel_lineage', 'old_share', '占原宗地比例 Overlap over the removed parcel, 0 to 1'),
        ('core', 'parcel_lineage', 'new_share', '占新宗地比例 Overlap over the added parcel, 0 to 1'),
        ('core', 'correction', 'correction_id', '纠偏编号 Correction'),
        ('core', 'correction', 'field', '纠偏字段 Column to correct'),
        ('core', 'correction', 'expected_value', '原值 Delivered value that must still stand'),
        ('core', 'correction', 'new_value', '新值 Value in force instead'),
        ('core', 'correction', 'reason', '纠偏理由 Why'),
        ('core', 'correction', 'evidence', '依据材料 Evidence'),
        ('core', 'correction', 'office', '填报单位 Office'),
        ('core', 'correction', 'valid_until', '有效期至 Day from which it no longer applies'),
        ('core', 'decision', 'decision_id', '决定编号 Decision'),
        ('core', 'decision', 'kind', '决定类型 What was decided'),
        ('core', 'decision', 'value', '决定值 Value, where the kind has one'),
        ('core', 'decision', 'reason', '决定理由 Why'),
        ('core', 'decision', 'evidence_hash', '依据指纹 Hash of the evidence seen by the person'),
        ('core', 'applied_correction', 'correction_id', '纠偏编号 Correction'),
        ('core', 'current_decision', 'decision_id', '决定编号 Decision'),
        ('core', 'current_decision', 'kind', '决定类型 What was decided'),
        ('core', 'current_decision', 'reason', '决定理由 Why'),
        ('derived', 'parcel_patch', 'area_m2', '压盖面积（平方米） Area of the piece on the ellipsoid, square metres'),
        ('derived', 'link_candidate', 'reason', '关联依据 Reason from a closed list'),
        ('derived', 'link_candidate', 'evidence_key', '依据记录 Record that it rests on'),
        ('derived', 'link_candidate', 'score', '可信度 Score of the evidence, 0 to 1'),
        ('derived', 'link_candidate', 'is_ambiguous', '有歧义 Whether other parcels fit as well'),
        ('derived', 'link', 'reason', '关联依据 Reason from a closed list'),
        ('derived', 'link', 'score', '可信度 Score of the link, 0 to 1'),
        ('derived', 'link', 'gap', '可信度差 Distance to the runner-up'),
        ('derived', 'link', 'status', '关联状态 Accepted, review or rejected'),
        ('derived', 'seat', 'reason', '落位依据 Reason of the seat state'),
        ('derived', 'patch_gap', 'reason', '未覆盖原因 Why it is not covered'),
        ('derived', 'seat', 'parcel_code', '主要宗地代码 Main parcel'),
        ('derived', 'allocation', 'method', '分配方法 How the area was allocated'),
        ('derived', 'allocation', 'share', '分配份额 Share of the parcel, 0 to 1'),
        ('derived', 'allocation', 'is_undivided', '共用未分 Whether its users share it undivided'),
        ('derived', 'unit', 'kind', '评价方式 Enterprise, parcel or merged evaluation'),
        ('derived', 'township_coverage', 'kind', '类别 Kind of assessment unit'),
        ('derived', 'grade', 'score', '得分 Score'),
        ('derived', 'grade', 'source', '来源 Where the grade comes from'),
        ('derived', 'policy_electricity', 'match_state', '匹配状态 Whether an account is known'),
        ('ops', 'migration', 'name', '迁移文件 Migration file'),
        ('ops', 'migration', 'sha256', '文件指纹 Hash of the file as applied'),
        ('ops', 'migration', 'applied_at', '执行时间 When it was applied'),
        ('ops', 'constant', 'name', '常量名 Name of the constant'),
        ('ops', 'constant', 'value', '常量值 Value of the constant'),
        ('ops', 'run', 'backend_pid', '数据库进程号 Server process of the run''s own connection'),
        ('ops', 'run', 'result', '结果 What the ledger wrote at the end'),
        ('ops', 'run', 'finding', '发现 Counts and findings of a run that stopped'),
        ('ops', 'run_commit', 'accepted', '放行 Gates that a person let pass, and why'),
        ('ops', 'run_state', 'state', '状态 Published, running, refused, stopped, failed or died'),
        ('ops', 'delivery', 'delivery_id', '送件编号 Delivery'),
        ('ops', 'delivery', 'scope', '范围 Townships it covers; NULL is the whole county'),
        ('ops', 'delivery', 'data_date', '数据日期 Date the data stand for'),
        ('ops', 'delivery', 'is_dated', '有无自带日期 Whether file or folder names the date; else the run that took it'),
        ('ops', 'delivery', 'contract_hash', '约定指纹 Hash of the feed''s contract'),
        ('ops', 'delivery', 'layer', '图层或工作表 Layer or sheet'),
        ('ops', 'delivery', 'source_crs', '原坐标系 CRS as delivered'),
        ('ops', 'delivery', 'source_encoding', '原编码 Encoding as delivered'),
        ('ops', 'delivery', 'state', '状态 Loaded, consumed, refused, held or withdrawn'),
        ('ops', 'delivery', 'consumed_run', '采用运行 Run that took it in'),
        ('ops', 'delivery', 'row_count', '行数 Rows delivered'),
        ('ops', 'delivery', 'kept_count', '采用行数 Rows kept'),
        ('ops', 'delivery', 'unchanged_count', '未变行数 Rows that said what was held already'),
        ('ops', 'delivery', 'quarantined_count', '隔离行数 Rows quarantined'),
        ('ops', 'delivery', 'detail', '明细 Details of reading'),
        ('ops', 'delivered', 'scope_key', '范围键 Township or place the row stands for'),
        ('ops', 'delivered', 'outcome', '去向 Kept, unchanged or quarantined'),
        ('ops', 'issue', 'issue_id', '问题编号 Issue'),
        ('ops', 'issue', 'severity', '严重程度 Error, warning or notice'),
        ('ops', 'issue', 'subject_key', '对象代码 Key of the record that it concerns'),
        ('ops', 'issue', 'detail_key', '明细键 Tells issues of one rule and subject apart'),
        ('ops', 'issue', 'value', '值 Value as delivered'),
        ('ops', 'issue', 'params', '参数 Parameters of the message'),
        ('ops', 'dirty', 'kind', '类别 Kind of key'),
        ('ops', 'scope', 'kind', '类别 Kind of key'),
        ('ops', 'act_seen', 'kind', '类别 Decision or correction'),
        ('layers', 'publication', 'publication_id', '固定为1 Always 1: one row')
    ) AS m (nspname, relname, attname, meaning)
    JOIN pg_attribute AS a ON a.attname = m.attname AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = m.nspname AND c.relname = m.relname
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', entry.nspname, entry.relname, entry.attname, entry.meaning);
  END LOOP;
END
$do$;

-- The published layers, as gis_layers/<layer>.toml has them.
DO $do$
DECLARE
  entry record;
BEGIN
  FOR entry IN
    SELECT n.nspname, c.relname, a.attname, m.meaning
    FROM (
      VALUES
        ('data_issue', 'fid', '序号 Row number within the layer'),
        ('data_issue', 'issue_key', '问题编号 Key of the issue'),
        ('data_issue', 'rule', '规则 Rule that found it'),
        ('data_issue', 'severity', '严重程度 Severity'),
        ('data_issue', 'feed', '数据类别 Feed that it concerns'),
        ('data_issue', 'subject_key', '对象代码 Key of the record that it concerns'),
        ('data_issue', 'file', '文件 Delivered file'),
        ('data_issue', 'row_number', '行号 Row in the delivered file'),
        ('data_issue', 'field', '字段 Field that it concerns'),
        ('data_issue', 'message', '问题说明 What is wrong'),
        ('data_issue', 'next_step', '下一步 What to do next'),
        ('data_issue', 'size_m2', '涉及面积（平方米） Area concerned, square metres'),
        ('data_issue', 'township_code', '镇街代码 Township code, 9 digits'),
        ('data_issue', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('enterprise', 'fid', '序号 Row number within the layer'),
        ('enterprise', 'enterprise_code', '企业代码 Credit code, else the key of the feed'),
        ('enterprise', 'name', '企业名称 Enterprise name'),
        ('enterprise', 'industry_code', '行业代码 Industry code, GB/T 4754'),
        ('enterprise', 'size_class', '规模 Size class'),
        ('enterprise', 'seat_state', '落位状态 Seat state: where the enterprise sits'),
        ('enterprise', 'seat_reason', '落位依据 Reason of the seat state'),
        ('enterprise', 'parcel_code', '主要宗地代码 Code of its main parcel'),
        ('enterprise', 'parcel_count', '宗地数 Number of parcels it uses'),
        ('enterprise', 'land_area_m2', '用地面积（平方米） Land allocated to it, square metres'),
        ('enterprise', 'land_area_mu', '用地面积（亩） Land allocated to it, mu'),
        ('enterprise', 'unit_code', '评价单元代码 Evaluation unit'),
        ('enterprise', 'score', '得分 Score'),
        ('enterprise', 'grade', '档次 Grade'),
        ('enterprise', 'township_code', '镇街代码 Township code, 9 digits'),
        ('enterprise', 'address', '地址 Address as registered'),
        ('enterprise', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('review_queue', 'fid', '序号 Row number within the layer'),
        ('review_queue', 'enterprise_code', '企业代码 Credit code, else the key of the feed'),
        ('review_queue', 'enterprise_name', '企业名称 Enterprise name'),
        ('review_queue', 'parcel_code', '候选宗地代码 Proposed parcel; empty where none is proposed'),
        ('review_queue', 'role', '用地关系 Role of the enterprise on the parcel'),
        ('review_queue', 'stage', '关联环节 Stage that found the link'),
        ('review_queue', 'reason', '关联依据 Reason of the link'),
        ('review_queue', 'score', '可信度 Score of the proposal, 0 to 1'),
        ('review_queue', 'runner_up_score', '次优可信度 Score of the runner-up, 0 to 1'),
        ('review_queue', 'question', '待核实问题 Question for the reviewer'),
        ('review_queue', 'township_code', '镇街代码 Township code, 9 digits'),
        ('review_queue', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('land_change', 'fid', '序号 Row number within the layer'),
        ('land_change', 'run_id', '运行编号 Run that recorded the change'),
        ('land_change', 'parcel_code', '宗地代码 Parcel code, 19 characters'),
        ('land_change', 'change_kind', '变化类型 Kind of change'),
        ('land_change', 'lineage_kind', '沿革类型 Kind of lineage'),
        ('land_change', 'successor_codes', '后继宗地 Parcels that it went into'),
        ('land_change', 'predecessor_codes', '前身宗地 Parcels that it came from'),
        ('land_change', 'township_code', '镇街代码 Township code, 9 digits'),
        ('land_change', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('enterprise_land', 'fid', '序号 Row number within the layer'),
        ('enterprise_land', 'enterprise_code', '企业代码 Credit code, else the key of the feed'),
        ('enterprise_land', 'enterprise_name', '企业名称 Enterprise name'),
        ('enterprise_land', 'parcel_code', '宗地代码 Parcel code, 19 characters'),
        ('enterprise_land', 'role', '用地关系 Role of the enterprise on the parcel'),
        ('enterprise_land', 'reason', '关联依据 Reason of the link'),
        ('enterprise_land', 'link_score', '关联可信度 Score of the link, 0 to 1'),
        ('enterprise_land', 'share', '分配份额 Share of the parcel, 0 to 1'),
        ('enterprise_land', 'allocated_m2', '分配面积（平方米） Allocated area in square metres'),
        ('enterprise_land', 'allocated_mu', '分配面积（亩） Allocated area in mu'),
        ('enterprise_land', 'method', '分配方法 How the area was allocated'),
        ('enterprise_land', 'geometry_kind', '图形来源 Drawn land, or the whole parcel'),
        ('enterprise_land', 'township_code', '镇街代码 Township code, 9 digits'),
        ('enterprise_land', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('evaluation_unit', 'fid', '序号 Row number within the layer'),
        ('evaluation_unit', 'unit_code', '评价单元代码 Evaluation unit'),
        ('evaluation_unit', 'component', '连通组 Connected set of users and parcels it belongs to'),
        ('evaluation_unit', 'name', '单元名称 Name of the unit'),
        ('evaluation_unit', 'kind', '评价方式 Enterprise, parcel or merged evaluation'),
        ('evaluation_unit', 'kind_reason', '评价方式依据 Reason of the kind'),
        ('evaluation_unit', 'eval_category', '评价类别 Evaluation category'),
        ('evaluation_unit', 'eval_state', '评价状态 Evaluation state'),
        ('evaluation_unit', 'state_reason', '评价状态依据 Reason of the state'),
        ('evaluation_unit', 'member_count', '企业数 Number of member enterprises'),
        ('evaluation_unit', 'parcel_count', '宗地数 Number of parcels'),
        ('evaluation_unit', 'eval_area_m2', '评价面积（平方米） Evaluation area in square metres'),
        ('evaluation_unit', 'eval_area_mu', '评价面积（亩） Evaluation area in mu'),
        ('evaluation_unit', 'score', '得分 Score'),
        ('evaluation_unit', 'grade', '档次 Grade'),
        ('evaluation_unit', 'issued_grade', '正式公布档次 Grade as issued'),
        ('evaluation_unit', 'township_code', '镇街代码 Township code, 9 digits'),
        ('evaluation_unit', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('parcel', 'fid', '序号 Row number within the layer'),
        ('parcel', 'parcel_code', '宗地代码 Parcel code, 19 characters'),
        ('parcel', 'township_code', '镇街代码 Township code, 9 digits'),
        ('parcel', 'township_name', '镇街名称 Township name'),
        ('parcel', 'land_use_code', '用途代码 Registered land use code'),
        ('parcel', 'location', '坐落 Location as registered'),
        ('parcel', 'is_industrial', '含工业用地 Holds industrial land'),
        ('parcel', 'area_m2', '面积（平方米） Reference area in square metres'),
        ('parcel', 'area_mu', '面积（亩） Reference area in mu'),
        ('parcel', 'enterprise_count', '企业数 Number of enterprises that use it'),
        ('parcel', 'enterprise_names', '企业名称 Names of the enterprises that use it'),
        ('parcel', 'unit_kind', '评价方式 Kind of its evaluation units'),
        ('parcel', 'grade', '档次 Grade; mixed where its units differ'),
        ('parcel', 'coverage_state', '评价覆盖状态 Coverage state'),
        ('parcel', 'evaluated_share', '已评价比例 Evaluated share of the parcel, 0 to 1'),
        ('parcel', 'transition_share', '过渡期比例 Share in transition, 0 to 1'),
        ('parcel', 'unallocated_m2', '未分配面积（平方米） Area allocated to nobody, square metres'),
        ('parcel', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('uncovered_land', 'fid', '序号 Row number within the layer'),
        ('uncovered_land', 'patch_code', '图斑代码 Survey patch: location unit and patch number'),
        ('uncovered_land', 'parcel_code', '宗地代码 Parcel code; empty where no parcel lies there'),
        ('uncovered_land', 'township_code', '镇街代码 Township code, 9 digits'),
        ('uncovered_land', 'area_m2', '面积（平方米） Uncovered area in square metres'),
        ('uncovered_land', 'area_mu', '面积（亩） Uncovered area in mu'),
        ('uncovered_land', 'reason', '未覆盖原因 Why it is not covered'),
        ('uncovered_land', 'next_step', '下一步 What to do next'),
        ('uncovered_land', 'rank_in_township', '镇街内排序 Rank by area within the township'),
        ('uncovered_land', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('industrial_patch', 'fid', '序号 Row number within the layer'),
        ('industrial_patch', 'patch_code', '图斑代码 Survey patch: location unit and patch number'),
        ('industrial_patch', 'land_use_code', '地类编码 Survey land use code'),
        ('industrial_patch', 'township_code', '镇街代码 Township code, 9 digits'),
        ('industrial_patch', 'official_area_m2', '图斑面积（平方米） Official area TBMJ in square metres'),
        ('industrial_patch', 'linked_area_m2', '已关联面积（平方米） Area under land linked to enterprises, square metres'),
        ('industrial_patch', 'evaluated_area_m2', '已评价面积（平方米） Area under evaluated land, square metres'),
        ('industrial_patch', 'transition_area_m2', '过渡期面积（平方米） Area under land in transition, square metres'),
        ('industrial_patch', 'covered_area_m2', '已覆盖面积（平方米） Area evaluated or in transition, square metres'),
        ('industrial_patch', 'covered_share', '覆盖比例 Covered share of the patch, 0 to 1'),
        ('industrial_patch', 'geom', '图形 Geometry in the county''s projected CRS'),
        ('township_coverage', 'fid', '序号 Row number within the layer'),
        ('township_coverage', 'township_code', '镇街代码 Township code, 9 digits; zones have their own'),
        ('township_coverage', 'name', '名称 Name'),
        ('township_coverage', 'kind', '类别 Kind of assessment unit'),
        ('township_coverage', 'base_area_m2', '工业用地底数（平方米） Industrial base in square metres'),
        ('township_coverage', 'linked_area_m2', '已关联面积（平方米） Area under land linked to enterprises, square metres'),
        ('township_coverage', 'evaluated_area_m2', '已评价面积（平方米） Area under evaluated land, square metres'),
        ('township_coverage', 'transition_area_m2', '过渡期面积（平方米） Area under land in transition, square metres'),
        ('township_coverage', 'covered_area_m2', '已覆盖面积（平方米） Area evaluated or in transition, square metres'),
        ('township_coverage', 'coverage_ratio', '评价覆盖面 Covered area over base, 0 to 1'),
        ('township_coverage', 'strict_ratio', '严格覆盖面 Evaluated area over base, 0 to 1'),
        ('township_coverage', 'target_ratio', '目标覆盖面 Target of the coverage ratio'),
        ('township_coverage', 'gap_mu', '距目标（亩） Area missing to the target, mu'),
        ('township_coverage', 'definition', '口径 Definition of the coverage ratio'),
        ('township_coverage', 'count_above', '规上企业单元数 Units of category ABOVE'),
        ('township_coverage', 'count_below_ge3', '规下3亩及以上单元数 Units of category BELOW_GE3'),
        ('township_coverage', 'count_below_lt3', '规下3亩以下单元数 Units of category BELOW_LT3'),
        ('township_coverage', 'count_tenant_only', '租赁企业单元数 Units of category TENANT_ONLY'),
        ('township_coverage', 'count_parcel_merged', '地块评价单元数 Units of category PARCEL_MERGED'),
        ('township_coverage', 'count_a', 'A档数 Units of grade A'),
        ('township_coverage', 'count_b', 'B档数 Units of grade B'),
        ('township_coverage', 'count_c', 'C档数 Units of grade C'),
        ('township_coverage', 'count_d', 'D档数 Units of grade D'),
        ('township_coverage', 'count_ungraded', '未定档数 Units without a grade'),
        ('township_coverage', 'geom', '图形 Geometry in the county''s projected CRS')
    ) AS m (relname, attname, meaning)
    JOIN pg_attribute AS a ON a.attname = m.attname AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'v')
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'layers' AND c.relname = m.relname
  LOOP
    EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', entry.nspname, entry.relname, entry.attname, entry.meaning);
  END LOOP;
END
$do$;
