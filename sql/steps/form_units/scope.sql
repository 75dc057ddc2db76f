-- Enterprises that changed or use a parcel that changed, and everyone joined to them by undivided
-- land, before or after. A component is named after one of its members, so the codes of all these
-- enterprises, and the old names, cover every unit to write.
WITH RECURSIVE args AS (
  SELECT CAST(:as_of AS date) AS as_of
),
changed AS (
  -- transitions that begin or end by the day
  SELECT t.enterprise_code
  FROM args
  JOIN derived.transition AS t
    ON t.is_by_day AND (t.valid_from <= args.as_of AND args.as_of < t.valid_to) <> t.is_in_force
  UNION
  SELECT d.key AS enterprise_code
  FROM ops.dirty AS d
  WHERE d.kind = 'enterprise'
  UNION
  SELECT a.enterprise_code
  FROM ops.dirty AS d
  JOIN derived.allocation AS a ON a.parcel_code = d.key
  WHERE d.kind = 'parcel' AND a.enterprise_code <> ''
  UNION
  SELECT m.enterprise_code
  FROM ops.dirty AS d
  JOIN derived.unit_member AS m ON m.parcel_code = d.key
  WHERE d.kind = 'parcel' AND m.enterprise_code <> ''
),
neighbour AS (
  SELECT a.enterprise_code, b.enterprise_code AS other
  FROM derived.allocation AS a
  JOIN derived.allocation AS b ON b.parcel_code = a.parcel_code AND b.is_undivided AND b.enterprise_code <> ''
  WHERE a.is_undivided AND a.enterprise_code <> ''
  UNION ALL
  SELECT a.enterprise_code, b.enterprise_code AS other
  FROM derived.unit_member AS a
  JOIN derived.unit_member AS b ON b.component = a.component AND b.enterprise_code <> ''
  WHERE a.enterprise_code <> ''
),
reached AS (
  SELECT c.enterprise_code
  FROM changed AS c
  UNION
  SELECT n.other
  FROM reached AS r
  JOIN neighbour AS n ON n.enterprise_code = r.enterprise_code
)
SELECT 'component' AS kind, r.enterprise_code AS key
FROM reached AS r
UNION
SELECT 'member', r.enterprise_code
FROM reached AS r
UNION
SELECT 'component', m.component
FROM reached AS r
JOIN derived.unit_member AS m ON m.enterprise_code = r.enterprise_code
