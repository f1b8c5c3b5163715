-- Suspects first and apart, then each lane within what it may take. Every LIMIT is evaluated once, and the join
-- back is by ctid: the rows are locked, and a plan made while the table was empty stays good when it is full.
-- $10 and $11 are the organisations that have their share of standard and bulk. They are passed over within the first $12
-- steps of the lane, however much of theirs waits (z and y: where that ends). While standard's shares are not filled, bulk
-- waits: it is the later lane. What stands in pauses is held instead of claimed.
WITH x AS MATERIALIZED (
  SELECT ctid AS c, run_id, org_id, batch_id, lane, kind FROM pipeline_steps
  WHERE status = 'ready' AND crashes >= 2 AND kind = ANY ($3::text[])
    AND NOT (lane = 1 AND org_id = ANY ($10::uuid[]) OR lane = 2 AND org_id = ANY ($11::uuid[]))
  ORDER BY fair_rank LIMIT least($8::bigint, $4::bigint) FOR NO KEY UPDATE SKIP LOCKED
), i AS MATERIALIZED (
  SELECT ctid AS c, run_id, org_id, batch_id, lane, kind FROM pipeline_steps
  WHERE status = 'ready' AND crashes < 2 AND lane = 0 AND kind = ANY ($3)
  ORDER BY fair_rank, run_id LIMIT least($4 - (SELECT count(*) FROM x), $5::bigint) FOR NO KEY UPDATE SKIP LOCKED
), z AS MATERIALIZED (
  SELECT fair_rank, run_id FROM pipeline_steps WHERE status = 'ready' AND crashes < 2 AND lane = 1
  ORDER BY fair_rank, run_id OFFSET $12::bigint - 1 LIMIT 1
), s AS MATERIALIZED (
  SELECT ctid AS c, run_id, org_id, batch_id, lane, kind FROM pipeline_steps
  WHERE status = 'ready' AND crashes < 2 AND lane = 1 AND kind = ANY ($3) AND org_id <> ALL ($10::uuid[])
    AND (fair_rank, run_id) <= (CASE cardinality($10) WHEN 0 THEN 9223372036854775807 ELSE coalesce((SELECT fair_rank FROM z), 9223372036854775807) END,
      CASE cardinality($10) WHEN 0 THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff' ELSE coalesce((SELECT run_id FROM z), 'ffffffff-ffff-ffff-ffff-ffffffffffff') END)
  ORDER BY fair_rank, run_id
  LIMIT greatest(0, least($4 - (SELECT count(*) FROM x) - (SELECT count(*) FROM i), $6::bigint, $9::bigint)) FOR NO KEY UPDATE SKIP LOCKED
), y AS MATERIALIZED (
  SELECT fair_rank, run_id FROM pipeline_steps WHERE status = 'ready' AND crashes < 2 AND lane = 2
  ORDER BY fair_rank, run_id OFFSET $12 - 1 LIMIT 1
), b AS MATERIALIZED (
  SELECT ctid AS c, run_id, org_id, batch_id, lane, kind FROM pipeline_steps
  WHERE status = 'ready' AND crashes < 2 AND lane = 2 AND kind = ANY ($3) AND org_id <> ALL ($11::uuid[])
    AND (fair_rank, run_id) <= (CASE cardinality($11) WHEN 0 THEN 9223372036854775807 ELSE coalesce((SELECT fair_rank FROM y), 9223372036854775807) END,
      CASE cardinality($11) WHEN 0 THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff' ELSE coalesce((SELECT run_id FROM y), 'ffffffff-ffff-ffff-ffff-ffffffffffff') END)
  ORDER BY fair_rank, run_id
  LIMIT CASE WHEN (SELECT count(*) FROM s) >= $9 THEN 0 ELSE greatest(0, least(
    $4 - (SELECT count(*) FROM x) - (SELECT count(*) FROM i) - (SELECT count(*) FROM s), $6 - (SELECT count(*) FROM s), $7::bigint)) END FOR NO KEY UPDATE SKIP LOCKED
), p AS (
  SELECT * FROM x UNION ALL SELECT * FROM i UNION ALL SELECT * FROM s UNION ALL SELECT * FROM b
)
UPDATE pipeline_steps t
SET status = CASE WHEN h.held THEN 'held' ELSE 'running' END, held_by = CASE WHEN h.held THEN 'pause' END,
    worker_id = CASE WHEN h.held THEN NULL ELSE $1::uuid END, lease_token = CASE WHEN h.held THEN t.lease_token ELSE $2::uuid END,
    lease_epoch = t.lease_epoch + 1 - h.held::int,
    claimed_at = CASE WHEN h.held THEN t.claimed_at ELSE clock_timestamp() END,
    must_end_by = CASE WHEN h.held THEN NULL ELSE clock_timestamp() + (t.timeout_ms + 15000) * interval '1 ms' END
FROM p CROSS JOIN LATERAL (
  SELECT input, user_id, session_id, interaction_id, request_id, traceparent, generation, user_sequence, stream, quality_mode, model_override, batch_n
  FROM pipeline_runs WHERE id = p.run_id OFFSET 0
) r CROSS JOIN LATERAL (
  SELECT (SELECT EXISTS (SELECT 1 FROM pauses)) AND (
    EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'batch' AND a.key = p.batch_id::text AND (a.until IS NULL OR a.until > now()))
    OR EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'org' AND a.key = p.org_id::text AND (a.until IS NULL OR a.until > now()))
    OR EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'pipeline' AND a.key = split_part(p.kind, '@', 1) AND (a.until IS NULL OR a.until > now()))
    OR EXISTS (SELECT 1 FROM pauses a WHERE a.scope = 'lane' AND a.key = (ARRAY['interactive', 'standard', 'bulk'])[p.lane + 1]
      AND (a.until IS NULL OR a.until > now()))) AS held OFFSET 0
) h
WHERE t.ctid = p.c AND t.status = 'ready' AND EXISTS (SELECT 1 FROM workers w WHERE w.id = $1 AND w.lease_until > now())
RETURNING t.run_id AS "run_id: RunId", t.kind, t.org_id AS "org_id: OrgId", t.lane, coalesce(t.lease_token, $2) AS "token!: LeaseToken",
  t.lease_epoch AS epoch, coalesce(t.claimed_at, now()) AS "claimed_at!", (extract(epoch FROM t.deadline_at - now()) * 1000)::bigint AS "left_ms!",
  t.timeout_ms, t.max_attempts, t.failures, t.crashes, t.error, r.input, r.user_id AS "user_id: UserId",
  r.session_id AS "session_id: SessionId", t.batch_id AS "batch_id: BatchId", r.batch_n, r.interaction_id AS "interaction_id: InteractionId", r.request_id, r.traceparent,
  r.generation, r.user_sequence, r.stream, r.quality_mode, r.model_override, t.fair_rank AS rank,
  (SELECT jsonb_object_agg(n.stage, n.output) FROM pipeline_steps n WHERE n.run_id = t.run_id AND n.status = 'completed') AS needs,
  h.held AS "held!"
