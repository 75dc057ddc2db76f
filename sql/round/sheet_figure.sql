-- Figures of the data year with the file and row that they came with; cells of a wide table share the row of
-- the file, and a figure that was carried over has none. One row: one enterprise and figure.
WITH args AS (
  SELECT CAST(:data_year AS integer) AS year, CAST(:codes AS text[]) AS codes
)
SELECT i.enterprise_code, i.indicator, i.value, i.unit, i.basis, d.file,
  CASE
    WHEN i.row_number >= 0 THEN i.row_number / coalesce(CAST(d.detail ->> 'row_stride' AS integer), 1)
  END AS row_number,
  cardinality(i.correction_ids) AS corrections
FROM args
JOIN core.indicator AS i ON i.year = args.year AND i.to_run IS NULL
LEFT JOIN ops.delivery AS d ON d.delivery_id = i.delivery_id
WHERE args.codes IS NULL OR i.enterprise_code = ANY (args.codes)
ORDER BY i.enterprise_code, i.indicator
