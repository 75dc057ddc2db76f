-- Remember which acts this run has taken into account.
INSERT INTO ops.act_seen (kind, act_id, run_id)
SELECT 'correction', c.correction_id, CAST(:run_id AS integer) FROM core.correction AS c
UNION ALL
SELECT 'answer', a.answer_id, CAST(:run_id AS integer) FROM core.correction_answer AS a
UNION ALL
SELECT 'decision', d.decision_id, CAST(:run_id AS integer) FROM core.decision AS d
UNION ALL
SELECT 'evaluation_decision', e.decision_id, CAST(:run_id AS integer) FROM core.evaluation_decision AS e
UNION ALL
SELECT 'evaluation', r.evaluation_id, CAST(:run_id AS integer) FROM core.evaluation AS r
ON CONFLICT DO NOTHING
