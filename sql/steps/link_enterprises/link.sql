-- Links of enterprises to parcels. One row: one enterprise, parcel and role, with the stage that
-- decides, its reason, the runner-up of that stage, and whether it counts (accepted), waits for a
-- person (review) or was refused by one (rejected).
-- Source: docs/how-it-decides.md section 3; docs/sources.md, Design 3 (ties never to chance).
WITH args AS (
  SELECT
    CAST(:accept_score AS numeric) AS accept_score,
    CAST(:review_candidates AS integer) AS review_candidates,
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
graded AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role, c.stage, c.stage_no, g.stage_group, c.reason, c.score, c.parts,
    c.valid_from, c.valid_to, c.named_code, c.evidence_key, c.is_ambiguous,
    NOT c.is_ambiguous AND c.score >= args.accept_score AS is_enough,
    -- something else than the evidence itself speaks for it, besides the township
    c.parts ?| ARRAY['address_equal', 'point_inside', 'point_near', 'road_passes', 'name_agrees'] AS is_supported
  FROM args
  CROSS JOIN derived.link_candidate AS c
  JOIN scope AS s ON s.enterprise_code = c.enterprise_code
  JOIN core.link_stage AS g ON g.stage = c.stage
),
candidate AS (
  SELECT
    c.*,
    array_agg(c.evidence_key) OVER (
      PARTITION BY c.enterprise_code, c.parcel_code, c.role, c.stage
      ORDER BY c.evidence_key ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
    ) AS evidence_keys,
    row_number() OVER (
      PARTITION BY c.enterprise_code, c.parcel_code, c.role
      ORDER BY NOT c.is_enough AND c.reason <> 'successor_unclear', c.stage_no, c.is_ambiguous, c.score DESC, c.evidence_key
    ) AS place,
    -- who is owner or tenant of the parcel, if that is known well enough
    bool_or(c.role <> 'operator' AND c.is_enough) OVER (
      PARTITION BY c.enterprise_code, c.parcel_code
    ) AS has_role,
    -- the first group that is enough for the parcel, whatever the role
    min(c.stage_group) FILTER (WHERE c.is_enough) OVER (
      PARTITION BY c.enterprise_code, c.parcel_code
    ) AS parcel_group,
    min(c.stage_no) FILTER (WHERE c.role <> 'operator') OVER (
      PARTITION BY c.enterprise_code, c.parcel_code
    ) AS named_role_stage
  FROM graded AS c
),
best AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role, c.stage, c.stage_no, c.stage_group, c.reason, c.score, c.parts,
    c.is_enough, c.is_supported, c.parcel_group, c.evidence_keys, c.named_code, c.valid_from, c.valid_to, d.kind AS decision
  FROM candidate AS c
  LEFT JOIN decision AS d ON d.enterprise_code = c.enterprise_code AND d.parcel_code = c.parcel_code
  WHERE c.place = 1
    -- An operator that is owner or tenant of the same parcel says nothing new.
    AND (c.role <> 'operator'
      OR NOT c.has_role AND (c.is_enough OR coalesce(c.named_role_stage > c.stage_no, true)))
),
-- The group of stages that settles an enterprise. After a person's decision codes still count.
settled AS (
  SELECT
    s.enterprise_code,
    coalesce(
      CASE WHEN bool_or(d.enterprise_code IS NOT NULL) THEN 2 END,
      min(b.parcel_group) FILTER (WHERE b.decision IS DISTINCT FROM 'reject_link')
    ) AS stage_group
  FROM scope AS s
  LEFT JOIN best AS b ON b.enterprise_code = s.enterprise_code
  LEFT JOIN (
    SELECT DISTINCT a.enterprise_code FROM decision AS a WHERE a.kind = 'accept_link'
  ) AS d ON d.enterprise_code = s.enterprise_code
  GROUP BY s.enterprise_code
),
-- What the settling stages say alone, with nothing that speaks for it, while later evidence that would be
-- enough by itself says another parcel: stages that contradict each other are asked.
contradicted AS (
  SELECT t.enterprise_code
  FROM settled AS t
  JOIN best AS b ON b.enterprise_code = t.enterprise_code AND b.is_enough AND b.decision IS NULL
  WHERE t.stage_group >= 2
    AND NOT EXISTS (SELECT 1 FROM decision AS d WHERE d.enterprise_code = t.enterprise_code AND d.kind = 'accept_link')
  GROUP BY t.enterprise_code, t.stage_group
  HAVING bool_or(b.parcel_group > t.stage_group) AND NOT bool_or(b.parcel_group <= t.stage_group AND b.is_supported)
),
judged AS (
  SELECT
    b.enterprise_code, b.parcel_code, b.role, b.stage, b.stage_no,
    CASE WHEN x.enterprise_code IS NOT NULL AND b.is_enough AND b.decision IS NULL THEN 'contradicted' ELSE b.reason END
      AS reason,
    b.score, b.parts, b.evidence_keys, b.named_code, b.valid_from, b.valid_to,
    CASE
      WHEN b.decision = 'reject_link' THEN 'rejected'
      WHEN b.decision = 'accept_link' THEN NULL
      WHEN x.enterprise_code IS NOT NULL AND b.is_enough THEN 'review'
      -- register and lease settle together with what names a parcel by its code
      WHEN b.is_enough AND b.parcel_group <= greatest(t.stage_group, 2) THEN 'accepted'
      -- a further parcel, of which the register gives the very name and no code
      WHEN b.is_enough AND b.reason IN ('right_holder_name', 'lessee_name', 'former_name') THEN 'accepted'
      WHEN t.stage_group IS NULL THEN 'review'
      -- What named a parcel that is no more is asked, whatever else is known.
      WHEN b.reason IN ('successor_unclear', 'code_and_name_differ') THEN 'review'
      -- A code that names a parcel, and too much that speaks against it.
      WHEN b.stage_group = 2 THEN 'review'
      -- An account elsewhere, which may have been left behind.
      WHEN b.is_enough AND b.stage = 'account' THEN 'review'
      -- Its name on a further parcel, and nothing that confirms it.
      WHEN b.reason IN (
        'name_alone', 'right_holder_name', 'lessee_name', 'former_name', 'name_alias', 'name_sounds_alike',
        'name_one_character'
      ) THEN 'review'
      -- Land or a building drawn for it on a further parcel.
      WHEN b.reason IN ('largest_drawing', 'largest_building') THEN 'review'
    END AS status
  FROM best AS b
  JOIN settled AS t ON t.enterprise_code = b.enterprise_code
  LEFT JOIN contradicted AS x ON x.enterprise_code = b.enterprise_code
),
chosen AS (
  SELECT
    j.enterprise_code, j.parcel_code, j.role, j.stage, j.stage_no, j.reason, j.score, j.parts, j.evidence_keys,
    j.named_code, j.valid_from, j.valid_to, j.status
  FROM judged AS j
  -- where it has a link that counts, weaker evidence on the same parcel is no question
  WHERE j.status IN ('accepted', 'rejected') OR (
    j.status = 'review' AND (j.reason IN ('successor_unclear', 'code_and_name_differ') OR NOT EXISTS (
      SELECT 1 FROM judged AS a
      WHERE a.enterprise_code = j.enterprise_code AND a.parcel_code = j.parcel_code AND a.status = 'accepted'))
  )
  UNION ALL
  SELECT
    d.enterprise_code, d.parcel_code, coalesce(d.role, r.role, 'operator'), 'decision', 0, 'decided_by_person',
    coalesce(CAST(args.stage_score ->> 'decision' AS numeric), 1),
    jsonb_build_object('evidence', coalesce(CAST(args.stage_score ->> 'decision' AS numeric), 1)),
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
-- Other evidence placed it there; a right or a lease on the same parcel that bears a name like its own says as what.
role_told AS (
  SELECT DISTINCT ON (g.enterprise_code, g.parcel_code) g.enterprise_code, g.parcel_code, g.role
  FROM graded AS g
  WHERE g.role <> 'operator' AND g.reason <> 'parent_company'
    AND g.stage IN ('right_name', 'lease_name', 'name_similar')
    AND NOT EXISTS (
      SELECT 1 FROM chosen AS c
      WHERE c.enterprise_code = g.enterprise_code AND c.parcel_code = g.parcel_code AND c.role = g.role)
  ORDER BY g.enterprise_code, g.parcel_code, g.stage_no, g.score DESC, g.role, g.evidence_key
),
runner_up AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role,
    max(o.score) AS score
  FROM chosen AS c
  JOIN candidate AS o
    ON o.enterprise_code = c.enterprise_code AND o.stage_no = c.stage_no AND o.parcel_code <> c.parcel_code
  GROUP BY c.enterprise_code, c.parcel_code, c.role
),
ranked AS (
  SELECT
    c.enterprise_code, c.parcel_code,
    CASE WHEN c.status = 'accepted' AND c.stage <> 'decision' AND c.role = 'operator' THEN coalesce(t.role, c.role)
      ELSE c.role END AS role,
    c.role AS role_before,
    c.stage, c.stage_no, c.reason, c.score, c.parts, c.evidence_keys, c.named_code, c.valid_from, c.valid_to, c.status,
    CASE WHEN c.status = 'review' THEN row_number() OVER (
      PARTITION BY c.enterprise_code, c.status ORDER BY c.score DESC, c.stage_no, c.parcel_code, c.role
    ) END AS rank
  FROM chosen AS c
  LEFT JOIN role_told AS t ON t.enterprise_code = c.enterprise_code AND t.parcel_code = c.parcel_code
),
-- What the evidence says of the share of the parcel: for the allocation.
hint AS (
  SELECT
    c.enterprise_code, c.parcel_code, c.role,
    sum(r.share) AS share, sum(l.land_area_m2) AS land_m2, sum(l.floor_area_m2) AS floor_m2
  FROM ranked AS c
  CROSS JOIN LATERAL unnest(c.evidence_keys) AS k (evidence_key)
  LEFT JOIN core."right" AS r
    ON r.record_key = k.evidence_key AND r.to_run IS NULL AND c.stage IN ('right_code', 'right_name')
  LEFT JOIN core.lease AS l
    ON l.record_key = k.evidence_key AND l.to_run IS NULL AND c.stage IN ('lease_code', 'lease_name')
  WHERE c.stage IN ('right_code', 'right_name', 'lease_code', 'lease_name')
  GROUP BY c.enterprise_code, c.parcel_code, c.role
)
SELECT
  c.enterprise_code, c.parcel_code, c.role, c.stage, c.reason, c.score, c.parts,
  r.score AS runner_up_score, c.score - r.score AS gap,
  c.status, CAST(c.rank AS integer) AS rank, c.evidence_keys, c.named_code, c.valid_from, c.valid_to,
  h.share AS share_hint, h.land_m2 AS land_hint_m2, h.floor_m2 AS floor_hint_m2
FROM args
CROSS JOIN ranked AS c
LEFT JOIN hint AS h
  ON h.enterprise_code = c.enterprise_code AND h.parcel_code = c.parcel_code AND h.role = c.role
LEFT JOIN runner_up AS r
  ON r.enterprise_code = c.enterprise_code AND r.parcel_code = c.parcel_code AND r.role = c.role_before
-- Of guesses only the best are asked; evidence that names the parcel always is.
WHERE c.rank IS NULL OR c.rank <= args.review_candidates OR c.stage_no <= 10
