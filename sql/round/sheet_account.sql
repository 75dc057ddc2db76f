-- Electricity accounts of enterprises. One row: one account.
WITH args AS (
  SELECT CAST(:codes AS text[]) AS codes
)
SELECT a.enterprise_code, a.account_no, a.parcel_code, a.address
FROM args
JOIN core.account AS a ON a.to_run IS NULL AND a.enterprise_code IS NOT NULL
  AND (args.codes IS NULL OR a.enterprise_code = ANY (args.codes))
ORDER BY a.enterprise_code, a.account_no
