-- Lists and titles of enterprises that held in the data year, and persons selected for programmes by its end.
-- A person is told by programme and level alone. One row: one enterprise and recognition or person.
WITH args AS (
  SELECT
    make_date(CAST(:data_year AS integer), 1, 1) AS first,
    make_date(CAST(:data_year AS integer), 12, 31) AS last,
    CAST(:codes AS text[]) AS codes
)
SELECT
  r.enterprise_code, 'recognition' AS feed, r.kind, r.level, r.valid_from, r.valid_to, d.file, r.row_number, r.record_key
FROM args
JOIN core.recognition AS r
  ON r.to_run IS NULL AND r.valid_from <= args.last AND (r.valid_to IS NULL OR args.first < r.valid_to)
LEFT JOIN ops.delivery AS d ON d.delivery_id = r.delivery_id
WHERE args.codes IS NULL OR r.enterprise_code = ANY (args.codes)
UNION ALL
SELECT t.enterprise_code, 'talent', t.programme, t.level, t.selected_on, NULL, d.file, t.row_number, t.record_key
FROM args
JOIN core.talent AS t ON t.to_run IS NULL AND t.selected_on <= args.last
LEFT JOIN ops.delivery AS d ON d.delivery_id = t.delivery_id
WHERE args.codes IS NULL OR t.enterprise_code = ANY (args.codes)
ORDER BY enterprise_code, feed, kind, valid_from, record_key
