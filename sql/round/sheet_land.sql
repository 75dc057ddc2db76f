-- Land of enterprises as their confirmation sheets show it: 自有 + 租入 − 租出 − 核减 = what is evaluated
-- (docs/sources.md, 1.7). What tenants have of a parcel is let by its only owner or operator; where a parcel
-- has several, each has its own share and lets nothing of it. A sub-lease is taken from what the tenant rents.
-- Land used undivided is nobody's alone: it is told beside. One row: one enterprise and parcel.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:codes AS text[]) AS codes
),
land AS (
  SELECT m.enterprise_code, m.parcel_code, m.area_m2, m.deducted_m2
  FROM args
  JOIN derived.unit_member AS m ON m.year = args.year
  WHERE m.enterprise_code <> '' AND (args.codes IS NULL OR m.enterprise_code = ANY (args.codes))
),
let AS (
  SELECT
    a.parcel_code,
    count(*) FILTER (WHERE a.role IN ('owner', 'operator')) AS owners,
    coalesce(sum(a.allocated_m2) FILTER (WHERE a.role IN ('tenant', 'sub_tenant')), 0) AS let_m2,
    coalesce(sum(a.allocated_m2) FILTER (WHERE a.enterprise_code = '' AND a.is_undivided), 0) AS undivided_m2
  FROM derived.allocation AS a
  GROUP BY a.parcel_code
)
SELECT
  l.enterprise_code, l.parcel_code, p.location, a.role, a.method, p.reference_area_m2,
  CASE WHEN a.role IN ('owner', 'operator') THEN l.area_m2 + o.out_m2 ELSE 0 END AS own_m2,
  CASE WHEN a.role IN ('owner', 'operator') THEN 0 ELSE l.area_m2 END AS rented_m2,
  o.out_m2 AS let_m2,
  l.deducted_m2,
  l.area_m2 - l.deducted_m2 AS counted_m2,
  CASE WHEN a.is_undivided THEN t.undivided_m2 ELSE 0 END AS undivided_m2
FROM land AS l
JOIN derived.allocation AS a ON a.enterprise_code = l.enterprise_code AND a.parcel_code = l.parcel_code
JOIN let AS t ON t.parcel_code = l.parcel_code
CROSS JOIN LATERAL (
  SELECT CASE WHEN a.role IN ('owner', 'operator') AND t.owners = 1 THEN t.let_m2 ELSE 0 END AS out_m2
) AS o
LEFT JOIN core.parcel AS p ON p.parcel_code = l.parcel_code AND p.to_run IS NULL
ORDER BY l.enterprise_code, l.parcel_code
