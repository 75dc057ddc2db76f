-- Everything that changed, and what is shown together with it.
WITH dirty AS (
  SELECT d.kind, d.key FROM ops.dirty AS d
),
unit AS (
  SELECT d.key AS unit_code
  FROM dirty AS d
  WHERE d.kind = 'unit'
  UNION
  SELECT u.unit_code
  FROM dirty AS d
  JOIN derived.unit AS u ON u.component = d.key
  WHERE d.kind = 'component'
),
member AS (
  SELECT DISTINCT m.component, m.enterprise_code, m.parcel_code
  FROM unit AS u
  JOIN derived.unit_member AS m ON m.unit_code = u.unit_code
),
-- A renamed area is shown on everything in it.
area_parcel AS (
  SELECT t.parcel_code
  FROM dirty AS d
  JOIN derived.parcel_township AS t ON t.township_code = d.key
  WHERE d.kind = 'area'
),
parcel AS (
  SELECT d.key
  FROM dirty AS d
  WHERE d.kind = 'parcel'
  UNION
  SELECT m.parcel_code
  FROM member AS m
  UNION
  SELECT l.parcel_code
  FROM dirty AS d
  JOIN derived.link AS l ON l.enterprise_code = d.key
  WHERE d.kind = 'enterprise'
  UNION
  SELECT a.parcel_code
  FROM area_parcel AS a
),
-- Most patches are not industrial and were not.
patch AS (
  SELECT c.patch_code AS key
  FROM dirty AS d
  JOIN derived.patch_cover AS c ON c.patch_code = d.key
  WHERE d.kind = 'patch'
  UNION
  SELECT l.patch_code
  FROM dirty AS d
  JOIN layers.industrial_patch AS l ON l.patch_code = d.key
  WHERE d.kind = 'patch'
  UNION
  SELECT pp.patch_code
  FROM parcel AS p
  JOIN derived.parcel_patch AS pp ON pp.parcel_code = p.key
)
SELECT 'parcel' AS kind, p.key
FROM parcel AS p
UNION
SELECT 'enterprise', d.key
FROM dirty AS d
WHERE d.kind = 'enterprise'
UNION
SELECT 'enterprise', m.enterprise_code
FROM member AS m
WHERE m.enterprise_code <> ''
UNION
SELECT 'enterprise', l.enterprise_code
FROM parcel AS p
JOIN derived.link AS l ON l.parcel_code = p.key
UNION
SELECT 'enterprise', c.enterprise_code
FROM parcel AS p
JOIN derived.stale_decision AS c ON c.parcel_code = p.key
UNION
SELECT 'component', d.key
FROM dirty AS d
WHERE d.kind = 'component'
UNION
SELECT 'component', m.component
FROM member AS m
UNION
-- An issue changes nothing but the issued grade.
SELECT 'component', u.component
FROM derived.unit AS u
LEFT JOIN core.current_issued_unit AS i ON i.year = u.year AND i.unit_code = u.unit_code
LEFT JOIN layers.evaluation_unit AS l ON l.unit_code = u.unit_code
WHERE i.grade IS DISTINCT FROM l.issued_grade AND EXISTS (SELECT 1 FROM dirty AS d WHERE d.kind = 'evaluation')
UNION
SELECT 'component', m.component
FROM parcel AS p
JOIN derived.unit_member AS m ON m.parcel_code = p.key
UNION
SELECT 'component', m.component
FROM dirty AS d
JOIN derived.unit_member AS m ON m.enterprise_code = d.key
WHERE d.kind = 'enterprise'
UNION
SELECT 'patch', p.key
FROM patch AS p
UNION
SELECT 'township', d.key
FROM dirty AS d
WHERE d.kind = 'township'
