-- Links of enterprises to parcels. One row: one enterprise, parcel and role, with the stage that
-- decides, its reason, the runner-up of that stage, and whether it counts (accepted), waits for a
-- person (review) or was refused by one (rejected).
-- Source: docs/how-it-decides.md section 3; docs/sources.md, Design 3 (ties never to chance).
WITH args AS (
  SELECT
    CAST(:accept_address AS boolean) AS accept_address,
    CAST(:stage_score AS jsonb) AS stage_score
),
scope AS (
  SELECT s.key AS enterprise_code
  FROM ops.scope AS s
  WHERE s.step = 'link_enterprises' AND s.kind = 'enterprise'
),
decision AS (
  SELECT d.enterprise_code, d.parcel_code, d.kind, d.role, d.decision_id, d.named_code
  FROM derived.decision_in_place AS d
  JOIN scope AS s ON s.enterprise_code = d.enterprise_code
  WHERE d.kind IN ('accept_link', 'reject_link') AND NOT d.is_unclear
    AND EXISTS (SELECT 1 FROM core.parcel AS p WHERE p.parcel_code = d.parcel_code AND p.to_run IS NULL)
    AND EXISTS (
      SELECT 1 FROM core.enterprise AS e
      WHERE e.enterprise_code = d.enterprise_code AND e.to_run IS NULL AND e.status = 'operating')
),
candidate AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role, c.stage, c.stage_no, c.reason, c.score, c.valid_from, c.valid_to,
    c.named_code,
    c.is_ambiguous OR (c.stage = 'address' AND NOT args.accept_address) AS is_ambiguous,
    array_agg(c.evidence_key) OVER (
      PARTITION BY c.enterprise_code, c.parcel_code, c.role, c.stage
      ORDER BY c.evidence_key ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS evidence_keys,
    row_number() OVER (
      PARTITION BY c.enterprise_code, c.parcel_code, c.role
      ORDER BY c.stage_no, c.is_ambiguous, c.score DESC, c.evidence_key
    ) AS place,
    min(c.stage_no) FILTER (WHERE c.role <> 'operator') OVER (
      PARTITION BY c.enterprise_code, c.parcel_code
    ) AS named_role_stage
  FROM args
  CROSS JOIN derived.link_candidate AS c
  JOIN scope AS s ON s.enterprise_code = c.enterprise_code
),
best AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role, c.stage, c.stage_no, c.reason, c.score, c.is_ambiguous,
    c.evidence_keys, c.named_code, c.valid_from, c.valid_to, d.kind AS decision
  FROM candidate AS c
  LEFT JOIN decision AS d ON d.enterprise_code = c.enterprise_code AND d.parcel_code = c.parcel_code
  WHERE c.place = 1
    -- An operator that is owner or tenant of the same parcel says nothing new.
    AND (c.role <> 'operator' OR coalesce(c.named_role_stage > c.stage_no, true))
),
-- The stage that settles an enterprise: codes (1 to 4) count together, later ones alone.
settled AS (
  SELECT
    s.enterprise_code,
    coalesce(
      CASE WHEN bool_or(d.enterprise_code IS NOT NULL) THEN 4 END,
      min(CASE WHEN b.stage_no <= 4 THEN 4 ELSE b.stage_no END)
        FILTER (WHERE NOT b.is_ambiguous AND b.decision IS DISTINCT FROM 'reject_link')
    ) AS stage_no
  FROM scope AS s
  LEFT JOIN best AS b ON b.enterprise_code = s.enterprise_code
  LEFT JOIN (
    SELECT DISTINCT a.enterprise_code FROM decision AS a WHERE a.kind = 'accept_link'
  ) AS d ON d.enterprise_code = s.enterprise_code
  GROUP BY s.enterprise_code
),
judged AS (
  SELECT
    b.enterprise_code, b.parcel_code, b.role, b.stage, b.stage_no, b.reason, b.score, b.evidence_keys,
    b.named_code, b.valid_from, b.valid_to,
    CASE
      WHEN b.decision = 'reject_link' THEN 'rejected'
      WHEN b.decision = 'accept_link' THEN NULL
      WHEN NOT b.is_ambiguous AND (t.stage_no = b.stage_no OR (t.stage_no = 4 AND b.stage_no <= 4)) THEN 'accepted'
      WHEN t.stage_no IS NULL THEN 'review'
      -- What named a parcel that is no more is asked, whatever else is known.
      WHEN b.reason = 'successor_unclear' THEN 'review'
      -- A settled name may have more parcels elsewhere: those are a question.
      WHEN t.stage_no = b.stage_no AND b.stage_no IN (6, 7) THEN 'review'
    END AS status
  FROM best AS b
  JOIN settled AS t ON t.enterprise_code = b.enterprise_code
),
chosen AS (
  SELECT
    j.enterprise_code, j.parcel_code, j.role, j.stage, j.stage_no, j.reason, j.score, j.evidence_keys,
    j.named_code, j.valid_from, j.valid_to, j.status
  FROM judged AS j
  WHERE j.status IS NOT NULL
  UNION ALL
  SELECT
    d.enterprise_code, d.parcel_code, coalesce(d.role, r.role, 'operator'), 'decision', 0, 'decided_by_person',
    coalesce(CAST(args.stage_score ->> 'decision' AS numeric), 1),
    ARRAY['decision ' || d.decision_id], d.named_code, NULL, NULL, 'accepted'
  FROM args
  CROSS JOIN decision AS d
  LEFT JOIN LATERAL (
    SELECT b.role
    FROM best AS b
    WHERE b.enterprise_code = d.enterprise_code AND b.parcel_code = d.parcel_code
    ORDER BY b.stage_no, b.role
    LIMIT 1
  ) AS r ON true
  WHERE d.kind = 'accept_link'
),
runner_up AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role,
    max(o.score) AS score
  FROM chosen AS c
  JOIN candidate AS o
    ON o.enterprise_code = c.enterprise_code AND o.stage_no = c.stage_no AND o.parcel_code <> c.parcel_code
  GROUP BY c.enterprise_code, c.parcel_code, c.role
)
SELECT
  c.enterprise_code, c.parcel_code, c.role, c.stage, c.reason, c.score,
  r.score AS runner_up_score, c.score - r.score AS gap,
  c.status, c.evidence_keys, c.named_code, c.valid_from, c.valid_to
FROM chosen AS c
LEFT JOIN runner_up AS r
  ON r.enterprise_code = c.enterprise_code AND r.parcel_code = c.parcel_code AND r.role = c.role
