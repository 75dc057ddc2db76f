-- Townships and what they were called. One row: one township.
SELECT a.area_code, a.name, a.former_names
FROM core.area AS a
WHERE a.to_run IS NULL AND a.kind = 'township'
ORDER BY a.area_code
