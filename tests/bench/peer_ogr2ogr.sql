-- The whole job as plain SQL over the tables that ogr2ogr has loaded into the schema office: join,
-- overlay, coverage. The day is the setting office.day. By the rules of docs/how-it-decides.md as
-- far as undamaged files need them. 990120 is the equal-area plane of the survey.
SET search_path = office, public;
ANALYZE patch, parcel, area, footprint, registry, lease, holder, indicator, score, recognition;

-- Land ------------------------------------------------------------------------------------------

CREATE TABLE base AS
SELECT
  t.zldwdm || t.tbbh AS patch_code,
  left(t.zldwdm, 9) AS township_code,
  t.tbmj AS official_m2,
  round(CAST(ST_Area(ST_Transform(t.geom, 990120)) AS numeric), 4) AS survey_m2,
  t.geom
FROM patch AS t
WHERE t.dlbm = '0601';
CREATE INDEX base_geom ON base USING gist (geom);
ANALYZE base;

CREATE TABLE cut AS
SELECT p.zddm AS parcel_code, b.patch_code, b.township_code, ST_Intersection(b.geom, p.geom) AS geom
FROM parcel AS p
JOIN base AS b ON ST_Intersects(b.geom, p.geom);

CREATE TABLE piece AS
SELECT c.*, round(CAST(ST_Area(ST_Transform(c.geom, 990120)) AS numeric), 4) AS m2
FROM cut AS c
WHERE ST_Dimension(c.geom) = 2;
ANALYZE piece;

-- Township: that of most industrial land, else of the patch under an inner point.
CREATE TABLE land AS
WITH main AS (
  SELECT DISTINCT ON (s.parcel_code) s.parcel_code, s.township_code, s.total
  FROM (
    SELECT parcel_code, township_code, sum(m2) AS m2, sum(sum(m2)) OVER (PARTITION BY parcel_code) AS total
    FROM piece
    GROUP BY parcel_code, township_code
  ) AS s
  WHERE s.total > 0
  ORDER BY s.parcel_code, s.m2 DESC, s.township_code
)
SELECT
  p.zddm AS parcel_code,
  coalesce(p.zdmj, round(CAST(ST_Area(p.geom) AS numeric), 4)) AS area_m2,
  coalesce(m.township_code, (
    SELECT left(t.zldwdm, 9) FROM patch AS t
    WHERE ST_Contains(t.geom, ST_PointOnSurface(p.geom))
    ORDER BY t.zldwdm, t.tbbh
    LIMIT 1
  )) AS township_code,
  p.yt IN ('0601', '061') OR coalesce(m.total >= 10 OR m.total >= 0.01 * ST_Area(p.geom), false) AS is_industrial,
  p.yt,
  p.geom
FROM parcel AS p
LEFT JOIN main AS m ON m.parcel_code = p.zddm;
CREATE INDEX land_code ON land (parcel_code);
CREATE INDEX land_geom ON land USING gist (geom);
ANALYZE land;

-- Who uses which land -----------------------------------------------------------------------------

-- People without a credit code have a registration number.
CREATE TABLE firm AS
SELECT
  coalesce(nullif(field1, ''), field6) AS enterprise_code,
  field2 AS name,
  field4 = '规上' AS is_above,
  field5 = '存续' AS is_working,
  nullif(field8, '') AS township_code,
  nullif(field10, '') AS parcels,
  nullif(translate(replace(field11, ' ', ''), '（）', '()'), '') AS certificate,
  field9 AS address,
  ST_SetSRID(ST_MakePoint(
    CAST(nullif(field12, '') AS double precision), CAST(nullif(field13, '') AS double precision)
  ), 4549) AS point
FROM registry
WHERE length(field1) = 18 OR field6 ~ '^[0-9]{15}$';

-- Parcels that the registry names: a code, a second one or its end behind 、, or 等 for more.
CREATE TABLE registered AS
SELECT f.enterprise_code, left(f.parcels, 19) AS parcel_code
FROM firm AS f
WHERE f.parcels IS NOT NULL
UNION
SELECT f.enterprise_code, left(f.parcels, 19 - length(split_part(f.parcels, '、', 2))) || split_part(f.parcels, '、', 2)
FROM firm AS f
WHERE f.parcels LIKE '%、%';

CREATE TABLE owned AS
SELECT
  h.zddm AS parcel_code,
  coalesce(nullif(h.zjh, ''), f.enterprise_code) AS enterprise_code,
  nullif(translate(replace(h.bdcqzh, ' ', ''), '（）', '()'), '') AS certificate,
  CASE
    WHEN h."共有份额" LIKE '%\%' THEN CAST(rtrim(h."共有份额", '%') AS numeric) / 100
    WHEN h."共有份额" LIKE '%/%'
      THEN CAST(split_part(h."共有份额", '/', 1) AS numeric) / CAST(split_part(h."共有份额", '/', 2) AS numeric)
  END AS share
FROM holder AS h
LEFT JOIN firm AS f ON f.name = h.qlrmc AND f.is_working
WHERE h.qszt = '1';

CREATE TABLE rented AS
WITH in_force AS (
  SELECT
    l."宗地代码" AS parcel_code,
    nullif(l."出租方统一社会信用代码", '') AS lessor,
    coalesce(nullif(l."承租方统一社会信用代码", ''), f.enterprise_code) AS enterprise_code,
    round(CAST(l."租赁土地面积（亩）" AS numeric) * 2000 / 3, 4) AS land_m2,
    CAST(l."租赁建筑面积（平方米）" AS numeric) AS floor_m2
  FROM lease AS l
  LEFT JOIN firm AS f ON f.name = l."承租方名称" AND f.is_working
  WHERE CAST(l."租赁开始日期" AS date) <= CAST(current_setting('office.day') AS date)
    AND CAST(current_setting('office.day') AS date)
      <= CAST(CASE l."租赁结束日期" WHEN '长期' THEN 'infinity' ELSE l."租赁结束日期" END AS date)
)
SELECT
  n.*,
  EXISTS (SELECT 1 FROM in_force AS o WHERE o.parcel_code = n.parcel_code AND o.enterprise_code = n.lessor) AS is_sub
FROM in_force AS n;

CREATE TABLE coded AS
SELECT DISTINCT ON (u.parcel_code, u.enterprise_code) u.parcel_code, u.enterprise_code, u.role
FROM (
  SELECT parcel_code, enterprise_code, 'owner' AS role, 1 AS rank FROM owned
  UNION ALL
  SELECT parcel_code, enterprise_code, CASE WHEN is_sub THEN 'sub_tenant' ELSE 'tenant' END, 2 FROM rented
  UNION ALL
  SELECT parcel_code, enterprise_code, 'operator', 3 FROM registered
  UNION ALL
  SELECT o.parcel_code, c.enterprise_code, 'operator', 3
  FROM firm AS c
  JOIN owned AS o ON o.certificate = c.certificate
) AS u
JOIN firm AS f ON f.enterprise_code = u.enterprise_code AND f.is_working
WHERE u.parcel_code IS NOT NULL
ORDER BY u.parcel_code, u.enterprise_code, u.rank, u.role;

-- Electricity accounts count in the township of those whom no paper places.
INSERT INTO coded
SELECT DISTINCT a."宗地代码", f.enterprise_code, 'operator'
FROM account AS a
JOIN firm AS f ON f.enterprise_code = a."统一社会信用代码" AND f.is_working
JOIN land AS p ON p.parcel_code = a."宗地代码" AND (f.township_code IS NULL OR f.township_code = p.township_code)
WHERE NOT EXISTS (SELECT 1 FROM coded AS c WHERE c.enterprise_code = f.enterprise_code);

CREATE TABLE links AS
SELECT * FROM coded
UNION ALL
(
  SELECT DISTINCT ON (d.enterprise_code) d.parcel_code, d.enterprise_code, 'operator'
  FROM (
    SELECT p.parcel_code, f.enterprise_code, sum(ST_Area(ST_Intersection(p.geom, b.geom))) AS m2
    FROM firm AS f
    JOIN footprint AS b ON b."统一社会信用代码" = f.enterprise_code
    JOIN land AS p ON ST_Intersects(p.geom, b.geom)
    WHERE f.is_working AND NOT EXISTS (SELECT 1 FROM coded AS c WHERE c.enterprise_code = f.enterprise_code)
    GROUP BY p.parcel_code, f.enterprise_code
  ) AS d
  ORDER BY d.enterprise_code, d.m2 DESC, d.parcel_code
);
ANALYZE firm, owned, rented, links;

-- Parcels at the address or under the point of enterprises that nothing else places: a link where it is both.
CREATE TABLE placed AS
WITH still_open AS (
  SELECT * FROM firm AS f
  WHERE f.is_working AND NOT EXISTS (SELECT 1 FROM links AS l WHERE l.enterprise_code = f.enterprise_code)
)
SELECT f.enterprise_code, p.zddm AS parcel_code, 'address' AS evidence
FROM still_open AS f
JOIN parcel AS p ON p.zl = f.address
UNION
SELECT f.enterprise_code, p.parcel_code, 'point'
FROM still_open AS f
JOIN land AS p ON ST_Contains(p.geom, f.point);

INSERT INTO links
SELECT parcel_code, enterprise_code, 'operator'
FROM placed
GROUP BY parcel_code, enterprise_code
HAVING count(*) = 2;

CREATE TABLE candidate AS
SELECT * FROM placed AS p
WHERE NOT EXISTS (SELECT 1 FROM links AS l WHERE l.enterprise_code = p.enterprise_code);
ANALYZE links;

CREATE TABLE seats AS
SELECT
  f.enterprise_code,
  CASE
    WHEN NOT f.is_working THEN 'off_site'
    WHEN m.is_industrial THEN 'linked'
    WHEN m.parcel_code IS NOT NULL THEN 'no_industrial_premises'
    WHEN EXISTS (SELECT 1 FROM candidate AS c WHERE c.enterprise_code = f.enterprise_code) THEN 'in_review'
    ELSE 'unknown'
  END AS seat_state,
  m.parcel_code
FROM firm AS f
LEFT JOIN (
  SELECT DISTINCT ON (l.enterprise_code) l.enterprise_code, l.parcel_code, p.is_industrial
  FROM links AS l
  JOIN land AS p ON p.parcel_code = l.parcel_code
  ORDER BY l.enterprise_code, p.is_industrial DESC, p.area_m2 DESC, l.parcel_code
) AS m ON m.enterprise_code = f.enterprise_code;

-- Shares ------------------------------------------------------------------------------------------

CREATE TABLE used AS
WITH known AS (
  SELECT
    l.parcel_code,
    l.enterprise_code,
    l.role,
    p.area_m2,
    CASE WHEN l.role IN ('tenant', 'sub_tenant') THEN r.land_m2 - coalesce(s.land_m2, 0) END AS signed,
    CASE WHEN l.role IN ('tenant', 'sub_tenant') THEN r.first_m2 END AS first_m2,
    o.share,
    r.floor_m2,
    d.drawn_m2
  FROM links AS l
  JOIN land AS p ON p.parcel_code = l.parcel_code
  LEFT JOIN (
    SELECT
      parcel_code,
      enterprise_code,
      sum(land_m2) AS land_m2,
      sum(floor_m2) AS floor_m2,
      sum(land_m2) FILTER (WHERE NOT is_sub) AS first_m2
    FROM rented
    GROUP BY parcel_code, enterprise_code
  ) AS r ON r.parcel_code = l.parcel_code AND r.enterprise_code = l.enterprise_code
  LEFT JOIN (
    SELECT n.parcel_code, n.lessor, sum(n.land_m2) AS land_m2
    FROM rented AS n
    JOIN links AS l ON l.parcel_code = n.parcel_code AND l.enterprise_code = n.enterprise_code
    WHERE n.is_sub
    GROUP BY n.parcel_code, n.lessor
  ) AS s ON s.parcel_code = l.parcel_code AND s.lessor = l.enterprise_code
  LEFT JOIN (
    SELECT parcel_code, enterprise_code, sum(share) AS share FROM owned GROUP BY parcel_code, enterprise_code
  ) AS o ON o.parcel_code = l.parcel_code AND o.enterprise_code = l.enterprise_code
  LEFT JOIN (
    SELECT
      u.parcel_code,
      u.enterprise_code,
      sum(round(CAST(ST_Area(ST_Intersection(q.geom, b.geom)) AS numeric), 4)) AS drawn_m2
    FROM links AS u
    JOIN land AS q ON q.parcel_code = u.parcel_code
    JOIN footprint AS b
      ON b."统一社会信用代码" = u.enterprise_code AND b."类型" = '用地' AND ST_Intersects(q.geom, b.geom)
    GROUP BY u.parcel_code, u.enterprise_code
  ) AS d ON d.parcel_code = l.parcel_code AND d.enterprise_code = l.enterprise_code
),
judged AS (
  SELECT
    k.*,
    coalesce(sum(k.first_m2) OVER every, 0) > k.area_m2
      OR coalesce(bool_or(k.signed < 0) OVER every, false)
      OR coalesce(sum(k.share) OVER every, 0) > 1.000001 AS is_conflict,
    count(*) OVER every AS users,
    k.area_m2 - coalesce(sum(k.signed) OVER every, 0) AS remaining,
    count(*) FILTER (WHERE k.signed IS NULL) OVER every AS others,
    count(k.share) FILTER (WHERE k.signed IS NULL) OVER every AS with_share,
    count(k.drawn_m2) FILTER (WHERE k.signed IS NULL) OVER every AS with_drawn,
    count(k.floor_m2) FILTER (WHERE k.signed IS NULL) OVER every AS with_floor,
    sum(k.drawn_m2) FILTER (WHERE k.signed IS NULL) OVER every AS all_drawn,
    sum(k.floor_m2) FILTER (WHERE k.signed IS NULL) OVER every AS all_floor
  FROM known AS k
  WINDOW every AS (PARTITION BY k.parcel_code)
),
rung AS (
  SELECT
    j.*,
    CASE
      WHEN j.is_conflict THEN 'conflict'
      WHEN j.signed IS NOT NULL THEN 'signed'
      WHEN j.users = 1 THEN 'sole'
      WHEN j.others = 1 AND j.share IS NULL THEN 'remainder'
      WHEN j.with_share = j.others THEN 'share'
      WHEN j.with_drawn = j.others AND j.all_drawn <= j.remaining THEN 'footprint'
      WHEN j.with_floor = j.others THEN 'floor'
      ELSE 'undivided'
    END AS method
  FROM judged AS j
)
SELECT
  parcel_code,
  enterprise_code,
  method,
  area_m2,
  round(CASE method
    WHEN 'signed' THEN signed
    WHEN 'sole' THEN area_m2 * CASE WHEN role = 'owner' THEN coalesce(share, 1) ELSE 1 END
    WHEN 'remainder' THEN remaining
    WHEN 'share' THEN remaining * share
    WHEN 'footprint' THEN drawn_m2
    WHEN 'floor' THEN remaining * floor_m2 / all_floor
    ELSE 0
  END, 4) AS allocated_m2
FROM rung;

CREATE TABLE shares AS
SELECT parcel_code, enterprise_code, method, allocated_m2
FROM used
UNION ALL
SELECT
  parcel_code,
  '',
  CASE WHEN bool_or(method = 'conflict') THEN 'conflict' WHEN bool_or(method = 'undivided') THEN 'undivided' ELSE 'rest' END,
  max(area_m2) - sum(allocated_m2)
FROM used
GROUP BY parcel_code;
ANALYZE shares;

-- Units -------------------------------------------------------------------------------------------

-- Undivided land joins its users; a large firm with land of its own stays out where others stay.
CREATE TABLE edge AS
WITH undivided AS (
  SELECT u.parcel_code, u.enterprise_code, f.is_above AND o.m2 > 0 AS leaves
  FROM used AS u
  JOIN firm AS f ON f.enterprise_code = u.enterprise_code
  JOIN (
    SELECT enterprise_code, sum(allocated_m2) AS m2 FROM used GROUP BY enterprise_code
  ) AS o ON o.enterprise_code = u.enterprise_code
  WHERE u.method = 'undivided'
)
SELECT s.parcel_code, s.enterprise_code
FROM (
  SELECT u.*, bool_and(u.leaves) OVER (PARTITION BY u.parcel_code) AS all_leave FROM undivided AS u
) AS s
WHERE NOT s.leaves OR s.all_leave;
CREATE INDEX edge_parcel ON edge (parcel_code);
CREATE INDEX edge_enterprise ON edge (enterprise_code);
ANALYZE edge;

CREATE TABLE joined AS
WITH RECURSIVE reach AS (
  SELECT DISTINCT parcel_code AS start, parcel_code FROM edge
  UNION
  SELECT r.start, o.parcel_code
  FROM reach AS r
  JOIN edge AS e ON e.parcel_code = r.parcel_code
  JOIN edge AS o ON o.enterprise_code = e.enterprise_code
)
SELECT start AS parcel_code, CASE WHEN count(*) = 1 THEN 'P-' ELSE 'M-' END || min(parcel_code) AS unit
FROM reach
GROUP BY start;

CREATE TABLE member AS
WITH of_firm AS (
  SELECT DISTINCT e.enterprise_code, j.unit FROM edge AS e JOIN joined AS j ON j.parcel_code = e.parcel_code
)
SELECT
  s.parcel_code,
  s.enterprise_code,
  s.allocated_m2,
  coalesce(CASE WHEN s.enterprise_code = '' THEN j.unit ELSE o.unit END, 'E-' || s.enterprise_code) AS unit_code
FROM shares AS s
LEFT JOIN of_firm AS o ON o.enterprise_code = s.enterprise_code
LEFT JOIN joined AS j ON j.parcel_code = s.parcel_code
LEFT JOIN edge AS e ON e.parcel_code = s.parcel_code AND e.enterprise_code = s.enterprise_code
WHERE CASE
  WHEN s.enterprise_code = '' THEN s.method = 'undivided' AND j.unit IS NOT NULL
  ELSE s.method <> 'undivided' OR e.parcel_code IS NOT NULL
END;

CREATE TABLE units AS
WITH known AS (
  SELECT "统一社会信用代码" AS enterprise_code, "年度" AS year FROM indicator
  UNION
  SELECT "统一社会信用代码", "年度" FROM score
),
measured AS (
  SELECT DISTINCT enterprise_code FROM known
  WHERE year = date_part('year', CAST(current_setting('office.day') AS date)) - 1
),
growing AS (
  SELECT DISTINCT "统一社会信用代码" AS enterprise_code
  FROM recognition
  WHERE "认定类型" = '过渡期'
    AND CAST("开始日期" AS date) <= CAST(current_setting('office.day') AS date)
    AND CAST(current_setting('office.day') AS date)
      <= CAST(CASE "结束日期" WHEN '长期' THEN 'infinity' ELSE "结束日期" END AS date)
),
described AS (
  SELECT
    m.unit_code,
    left(m.unit_code, 2) = 'E-' AS is_firm,
    sum(m.allocated_m2) AS area_m2,
    bool_or(p.is_industrial) AS is_industrial,
    count(DISTINCT nullif(m.enterprise_code, '')) AS operators,
    count(DISTINCT m.parcel_code) AS parcels,
    count(k.enterprise_code) > 0 AS is_measured,
    count(g.enterprise_code) > 0 AS is_growing
  FROM member AS m
  JOIN land AS p ON p.parcel_code = m.parcel_code
  LEFT JOIN measured AS k ON k.enterprise_code = m.enterprise_code
  LEFT JOIN growing AS g ON g.enterprise_code = m.enterprise_code
  GROUP BY m.unit_code
)
SELECT
  unit_code,
  CASE left(unit_code, 1) WHEN 'E' THEN 'enterprise' WHEN 'P' THEN 'parcel' ELSE 'merged' END AS kind,
  area_m2,
  CASE
    WHEN area_m2 = 0 OR NOT is_industrial OR (NOT is_firm AND (operators > 10 OR parcels > 5)) THEN 'excluded'
    WHEN is_firm AND is_growing THEN 'transition'
    WHEN is_measured THEN 'evaluated'
    ELSE 'no_data'
  END AS eval_state
FROM described;

CREATE TABLE state AS
SELECT
  p.parcel_code,
  coalesce(s.linked, 0) / p.area_m2 AS linked,
  coalesce(m.evaluated, 0) / p.area_m2 AS evaluated,
  coalesce(m.transition, 0) / p.area_m2 AS transition,
  (coalesce(m.evaluated, 0) + coalesce(m.transition, 0)) / p.area_m2 AS covered
FROM land AS p
JOIN (
  SELECT parcel_code, sum(allocated_m2) FILTER (WHERE method <> 'rest') AS linked FROM shares GROUP BY parcel_code
) AS s ON s.parcel_code = p.parcel_code
LEFT JOIN (
  SELECT
    m.parcel_code,
    sum(m.allocated_m2) FILTER (WHERE u.eval_state = 'evaluated') AS evaluated,
    sum(m.allocated_m2) FILTER (WHERE u.eval_state = 'transition') AS transition
  FROM member AS m
  JOIN units AS u ON u.unit_code = m.unit_code
  GROUP BY m.parcel_code
) AS m ON m.parcel_code = p.parcel_code
WHERE s.linked > 0;
ANALYZE member, units, state;

-- Coverage ----------------------------------------------------------------------------------------

-- Pieces at the shares of their parcels; what two parcels have in common counts once, at the larger
-- share, so the smaller one is taken off again.
CREATE TABLE covering AS
SELECT c.patch_code, c.township_code, c.m2, s.linked, s.evaluated, s.transition, s.covered, c.geom
FROM piece AS c
JOIN state AS s ON s.parcel_code = c.parcel_code;

INSERT INTO covering
SELECT
  b.patch_code,
  b.township_code,
  round(CAST(ST_Area(ST_Transform(ST_Intersection(b.geom, c.geom), 990120)) AS numeric), 4),
  c.linked,
  c.evaluated,
  c.transition,
  c.covered,
  ST_Intersection(b.geom, c.geom)
FROM (
  SELECT
    -least(s.linked, t.linked) AS linked,
    -least(s.evaluated, t.evaluated) AS evaluated,
    -least(s.transition, t.transition) AS transition,
    -least(s.covered, t.covered) AS covered,
    ST_Intersection(p.geom, q.geom) AS geom
  FROM state AS s
  JOIN land AS p ON p.parcel_code = s.parcel_code
  JOIN land AS q ON ST_Overlaps(p.geom, q.geom) AND q.parcel_code > p.parcel_code
  JOIN state AS t ON t.parcel_code = q.parcel_code
) AS c
JOIN base AS b ON ST_Intersects(b.geom, c.geom);

INSERT INTO covering SELECT patch_code, township_code, survey_m2, NULL, NULL, NULL, NULL, geom FROM base;

-- What lies in a zone is the zone's, and no longer the township's. Rows without shares are the base.
CREATE TABLE patch_coverage AS
WITH zoned AS (
  SELECT
    c.*,
    z.xzqdm AS zone_code,
    round(CAST(ST_Area(ST_Transform(ST_Intersection(c.geom, z.geom), 990120)) AS numeric), 4) AS zone_m2
  FROM covering AS c
  JOIN area AS z ON z."类型" IN ('开发区', '高新区') AND ST_Intersects(c.geom, z.geom)
),
part AS (
  SELECT patch_code, township_code AS area_code, m2, linked, evaluated, transition, covered FROM covering
  UNION ALL
  SELECT patch_code, township_code, -zone_m2, linked, evaluated, transition, covered FROM zoned
  UNION ALL
  SELECT patch_code, zone_code, zone_m2, linked, evaluated, transition, covered FROM zoned
)
SELECT
  p.patch_code,
  p.area_code,
  b.official_m2 / b.survey_m2 * sum(p.m2) FILTER (WHERE p.linked IS NULL) AS base,
  b.official_m2 / b.survey_m2 * coalesce(sum(p.m2 * p.linked), 0) AS linked,
  b.official_m2 / b.survey_m2 * coalesce(sum(p.m2 * p.evaluated), 0) AS evaluated,
  b.official_m2 / b.survey_m2 * coalesce(sum(p.m2 * p.transition), 0) AS transition,
  b.official_m2 / b.survey_m2 * coalesce(sum(p.m2 * p.covered), 0) AS covered
FROM part AS p
JOIN base AS b ON b.patch_code = p.patch_code
GROUP BY p.patch_code, p.area_code, b.official_m2, b.survey_m2;

CREATE TABLE coverage AS
SELECT
  a.xzqdm AS area_code,
  coalesce(round(sum(c.base), 4), 0) AS base_area_m2,
  coalesce(round(sum(c.linked), 4), 0) AS linked_area_m2,
  coalesce(round(sum(c.evaluated), 4), 0) AS evaluated_area_m2,
  coalesce(round(sum(c.transition), 4), 0) AS transition_area_m2,
  coalesce(round(sum(c.covered), 4), 0) AS covered_area_m2
FROM area AS a
LEFT JOIN patch_coverage AS c ON c.area_code = a.xzqdm
-- a project is no assessment unit
WHERE a."类型" <> '整治项目区'
GROUP BY a.xzqdm;

-- What is missing, and why: under parcels, and under none.
CREATE TABLE gap AS
SELECT
  c.patch_code,
  c.parcel_code,
  c.township_code,
  c.m2 * (1 - coalesce(s.covered, 0)) AS area_m2,
  CASE
    WHEN s.linked IS NULL AND c.parcel_code IN (SELECT parcel_code FROM candidate) THEN 'in_review'
    WHEN s.linked IS NULL THEN 'no_link'
    WHEN s.linked < 1 THEN 'not_allocated'
    ELSE 'not_evaluated'
  END AS reason,
  ST_Multi(ST_CollectionExtract(c.geom, 3)) AS geom
FROM piece AS c
LEFT JOIN state AS s ON s.parcel_code = c.parcel_code
WHERE coalesce(s.covered, 0) < 1;

INSERT INTO gap
SELECT
  d.patch_code,
  NULL,
  d.township_code,
  round(CAST(ST_Area(ST_Transform(d.geom, 990120)) AS numeric), 4),
  'no_parcel',
  ST_Multi(ST_CollectionExtract(d.geom, 3))
FROM (
  SELECT b.patch_code, b.township_code, coalesce(ST_Difference(b.geom, u.geom), b.geom) AS geom
  FROM base AS b
  LEFT JOIN (
    SELECT patch_code, ST_Union(geom) AS geom FROM piece GROUP BY patch_code
  ) AS u ON u.patch_code = b.patch_code
) AS d;
DELETE FROM gap WHERE area_m2 < 0.01;

-- What is given away --------------------------------------------------------------------------------

CREATE VIEW parcels AS SELECT parcel_code, township_code FROM land;

CREATE SCHEMA map;

CREATE VIEW map.parcel AS
SELECT p.parcel_code, p.township_code, p.yt, p.area_m2, s.linked, s.evaluated, s.transition, s.covered, p.geom
FROM land AS p
LEFT JOIN state AS s ON s.parcel_code = p.parcel_code;

CREATE VIEW map.enterprise_land AS
SELECT s.parcel_code, s.enterprise_code, f.name, s.method, s.allocated_m2, p.geom
FROM shares AS s
JOIN firm AS f ON f.enterprise_code = s.enterprise_code
JOIN land AS p ON p.parcel_code = s.parcel_code;

CREATE VIEW map.enterprise AS
SELECT t.*, f.name, c."得分" AS score, c."评价等级" AS grade, CAST(ST_PointOnSurface(p.geom) AS geometry(point, 4549)) AS geom
FROM seats AS t
JOIN firm AS f ON f.enterprise_code = t.enterprise_code
JOIN land AS p ON p.parcel_code = t.parcel_code
LEFT JOIN score AS c ON c."统一社会信用代码" = t.enterprise_code;

CREATE VIEW map.evaluation_unit AS
SELECT u.*, CAST(g.geom AS geometry(multipolygon, 4549)) AS geom
FROM units AS u
JOIN (
  SELECT m.unit_code, ST_Multi(ST_Union(p.geom)) AS geom
  FROM (SELECT DISTINCT unit_code, parcel_code FROM member) AS m
  JOIN land AS p ON p.parcel_code = m.parcel_code
  GROUP BY m.unit_code
) AS g ON g.unit_code = u.unit_code;

CREATE VIEW map.review_queue AS
SELECT c.*, p.geom
FROM candidate AS c
JOIN land AS p ON p.parcel_code = c.parcel_code;

CREATE VIEW map.uncovered_land AS
SELECT patch_code, parcel_code, township_code, area_m2, reason, CAST(geom AS geometry(multipolygon, 4549)) AS geom
FROM gap;

CREATE VIEW map.industrial_patch AS
SELECT b.patch_code, b.township_code, b.official_m2, c.linked, c.evaluated, c.transition, c.covered, b.geom
FROM base AS b
JOIN (
  SELECT
    patch_code,
    sum(linked) AS linked,
    sum(evaluated) AS evaluated,
    sum(transition) AS transition,
    sum(covered) AS covered
  FROM patch_coverage
  GROUP BY patch_code
) AS c ON c.patch_code = b.patch_code;

CREATE VIEW map.township_coverage AS
SELECT a.xzqmc AS name, c.*, c.covered_area_m2 / nullif(c.base_area_m2, 0) AS coverage_ratio, a.geom
FROM coverage AS c
JOIN area AS a ON a.xzqdm = c.area_code;
