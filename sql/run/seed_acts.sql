-- Keys that people's rows touch: acts that no published run has seen, and corrections that end
-- between two business dates.
WITH args AS (
  SELECT CAST(:last_as_of AS date) AS last_as_of, CAST(:as_of AS date) AS as_of
)
SELECT 'correct:' || c.feed AS kind, c.key AS key
FROM args, core.correction AS c
WHERE NOT EXISTS (
  SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'correction' AND s.act_id = c.correction_id
) OR (c.valid_until > args.last_as_of AND c.valid_until <= args.as_of)
UNION
SELECT 'correct:' || c.feed, c.key
FROM core.correction_answer AS a
JOIN core.correction AS c ON c.correction_id = a.correction_id
WHERE NOT EXISTS (
  SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'answer' AND s.act_id = a.answer_id
)
UNION
SELECT 'enterprise', d.enterprise_code
FROM core.decision AS d
WHERE NOT EXISTS (
  SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'decision' AND s.act_id = d.decision_id
)
UNION
SELECT 'enterprise', e.enterprise_code
FROM core.evaluation_decision AS e
WHERE NOT EXISTS (
  SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'evaluation_decision' AND s.act_id = e.decision_id
)
UNION
SELECT 'evaluation', CAST(r.evaluation_id AS text)
FROM core.evaluation AS r
WHERE NOT EXISTS (
  SELECT 1 FROM ops.act_seen AS s WHERE s.kind = 'evaluation' AND s.act_id = r.evaluation_id
)
