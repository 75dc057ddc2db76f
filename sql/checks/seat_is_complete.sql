-- Invariant 5: every enterprise has exactly one seat state, and linked ones have an accepted link.
-- One row: one enterprise without a seat, seat without an enterprise, or linked seat without a link.
SELECT coalesce(e.enterprise_code, s.enterprise_code) AS enterprise_code, s.seat_state
FROM (SELECT r.enterprise_code FROM core.enterprise AS r WHERE r.to_run IS NULL) AS e
FULL JOIN derived.seat AS s ON s.enterprise_code = e.enterprise_code
WHERE e.enterprise_code IS NULL OR s.enterprise_code IS NULL
  OR (s.seat_state = 'linked' AND NOT EXISTS (
    SELECT 1
    FROM derived.link AS l
    WHERE l.enterprise_code = s.enterprise_code AND l.status = 'accepted'
  ))
ORDER BY 1
