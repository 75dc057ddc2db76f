-- Decisions in force of which the evidence is no longer what the person saw. One row: one decision.
WITH decided AS (
  SELECT d.decision_id, d.enterprise_code, d.parcel_code, n.evidence, derived.evidence_of(d.enterprise_code) AS now
  FROM core.current_decision AS d
  JOIN ops.scope AS s
    ON s.step = 'link_enterprises' AND s.kind = 'enterprise' AND s.key = d.enterprise_code
  JOIN core.decision AS n ON n.decision_id = d.decision_id AND n.evidence IS NOT NULL
  WHERE EXISTS (
    SELECT 1 FROM core.enterprise AS e
    WHERE e.enterprise_code = d.enterprise_code AND e.to_run IS NULL AND e.status = 'operating')
),
changed AS (
  SELECT
    d.decision_id, d.enterprise_code, d.parcel_code,
    array(
      SELECT w.word FROM jsonb_array_elements_text(d.now) AS w (word) WHERE NOT d.evidence ? w.word ORDER BY w.word
    ) AS come,
    array(
      SELECT w.word FROM jsonb_array_elements_text(d.evidence) AS w (word) WHERE NOT d.now ? w.word ORDER BY w.word
    ) AS gone
  FROM decided AS d
)
SELECT c.decision_id, c.enterprise_code, c.parcel_code, c.come, c.gone
FROM changed AS c
WHERE cardinality(c.come) + cardinality(c.gone) > 0
