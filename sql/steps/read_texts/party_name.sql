-- Names of right holders and lessees without a credit code, to be taken apart. One row: one name.
SELECT s.key AS name_key
FROM ops.scope AS s
WHERE s.step = 'read_texts' AND s.kind = 'party' AND (
  EXISTS (
    SELECT 1 FROM core."right" AS r WHERE r.to_run IS NULL AND r.holder_name_key = s.key AND r.holder_code IS NULL)
  OR EXISTS (
    SELECT 1 FROM core.lease AS l WHERE l.to_run IS NULL AND l.lessee_name_key = s.key AND l.lessee_code IS NULL))
