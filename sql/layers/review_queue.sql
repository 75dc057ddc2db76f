-- What a person is asked: links that wait for a decision, and decisions whose evidence has changed since.
-- One row: one enterprise, parcel and role; parcel_code is empty where the decision is on the enterprise.
WITH enterprise AS (
  SELECT e.enterprise_code, e.name, e.address, t.missing, t.township_code
  FROM core.enterprise AS e
  JOIN ops.scope AS s
    ON s.step = 'publish_layers' AND s.kind = 'enterprise' AND s.key = e.enterprise_code
  LEFT JOIN derived.seat AS t ON t.enterprise_code = e.enterprise_code
  WHERE e.to_run IS NULL
),
piece AS (
  SELECT c.enterprise_code, c.parcel_code, c.stage, c.stage_no, c.reason, c.score, c.parts, count(*) AS records
  FROM enterprise AS e
  JOIN derived.link_candidate AS c ON c.enterprise_code = e.enterprise_code
  GROUP BY c.enterprise_code, c.parcel_code, c.stage, c.stage_no, c.reason, c.score, c.parts
),
known AS (
  SELECT
    p.enterprise_code, p.parcel_code,
    jsonb_agg(
      jsonb_build_object(
        'stage', p.stage, 'reason', p.reason, 'score', p.score, 'parts', p.parts, 'records', p.records)
      ORDER BY p.stage_no, p.score DESC, p.reason, CAST(p.parts AS text)
    ) AS pieces,
    max(p.score) AS score
  FROM piece AS p
  GROUP BY p.enterprise_code, p.parcel_code
),
asked AS (
  SELECT
    l.enterprise_code, l.parcel_code, l.role, l.stage, l.reason, l.named_code, l.rank, l.score, l.runner_up_score,
    CAST(NULL AS text) AS kind, CAST(NULL AS date) AS decided_on, CAST(NULL AS text[]) AS come,
    CAST(NULL AS text[]) AS gone
  FROM enterprise AS e
  JOIN derived.link AS l ON l.enterprise_code = e.enterprise_code
  WHERE l.status = 'review'
  UNION ALL
  SELECT
    c.enterprise_code, coalesce(c.parcel_code, ''), coalesce(d.role, 'operator'), 'decision', 'evidence_changed', NULL,
    NULL, k.score, NULL, d.kind, CAST(d.entered_at AS date), c.come, c.gone
  FROM enterprise AS e
  JOIN derived.stale_decision AS c ON c.enterprise_code = e.enterprise_code
  JOIN core.decision AS d ON d.decision_id = c.decision_id
  LEFT JOIN known AS k ON k.enterprise_code = c.enterprise_code AND k.parcel_code = c.parcel_code
)
SELECT
  a.enterprise_code,
  e.name AS enterprise_name,
  a.parcel_code,
  a.role,
  a.stage,
  a.reason,
  a.named_code,
  a.rank,
  CAST(a.score AS double precision) AS score,
  CAST(a.runner_up_score AS double precision) AS runner_up_score,
  a.kind,
  a.decided_on,
  a.come,
  a.gone,
  coalesce(k.pieces, '[]') AS pieces,
  e.missing AS lacking,
  e.address,
  p.location,
  coalesce(t.township_code, e.township_code, '') AS township_code,
  ST_AsHEXEWKB(p.geom) AS geom
FROM asked AS a
JOIN enterprise AS e ON e.enterprise_code = a.enterprise_code
LEFT JOIN core.parcel AS p ON p.parcel_code = a.parcel_code AND p.to_run IS NULL
LEFT JOIN derived.parcel_township AS t ON t.parcel_code = a.parcel_code
LEFT JOIN known AS k ON k.enterprise_code = a.enterprise_code AND k.parcel_code = a.parcel_code
ORDER BY a.enterprise_code, a.rank, a.parcel_code, a.role
