-- Suspects first and apart, then each lane within what it may take. Every LIMIT is evaluated once, and the join
-- back is by ctid: the rows are locked, and a plan made while the table was empty stays good when it is full.
WITH x AS MATERIALIZED (
  SELECT ctid AS c, run_id FROM pipeline_steps
  WHERE status = 'ready' AND crashes >= 2 AND kind = ANY ($3::text[])
  ORDER BY fair_rank LIMIT least($8::bigint, $4::bigint) FOR NO KEY UPDATE SKIP LOCKED
), i AS MATERIALIZED (
  SELECT ctid AS c, run_id FROM pipeline_steps
  WHERE status = 'ready' AND crashes < 2 AND lane = 0 AND kind = ANY ($3)
  ORDER BY fair_rank, run_id LIMIT least($4 - (SELECT count(*) FROM x), $5::bigint) FOR NO KEY UPDATE SKIP LOCKED
), s AS MATERIALIZED (
  SELECT ctid AS c, run_id FROM pipeline_steps
  WHERE status = 'ready' AND crashes < 2 AND lane = 1 AND kind = ANY ($3)
  ORDER BY fair_rank, run_id
  LIMIT greatest(0, least($4 - (SELECT count(*) FROM x) - (SELECT count(*) FROM i), $6::bigint)) FOR NO KEY UPDATE SKIP LOCKED
), b AS MATERIALIZED (
  SELECT ctid AS c, run_id FROM pipeline_steps
  WHERE status = 'ready' AND crashes < 2 AND lane = 2 AND kind = ANY ($3)
  ORDER BY fair_rank, run_id
  LIMIT greatest(0, least($4 - (SELECT count(*) FROM x) - (SELECT count(*) FROM i) - (SELECT count(*) FROM s),
                          $6 - (SELECT count(*) FROM s), $7::bigint)) FOR NO KEY UPDATE SKIP LOCKED
), p AS (
  SELECT c, run_id FROM x UNION ALL SELECT c, run_id FROM i UNION ALL SELECT c, run_id FROM s UNION ALL SELECT c, run_id FROM b
)
UPDATE pipeline_steps t
SET status = 'running', worker_id = $1, lease_token = $2, lease_epoch = t.lease_epoch + 1,
    claimed_at = clock_timestamp(), must_end_by = clock_timestamp() + (t.timeout_ms + 15000) * interval '1 ms'
FROM p CROSS JOIN LATERAL (
  SELECT input, user_id, session_id, interaction_id, request_id, traceparent, generation, user_sequence, stream, quality_mode, batch_n
  FROM pipeline_runs WHERE id = p.run_id OFFSET 0
) r
WHERE t.ctid = p.c AND t.status = 'ready' AND EXISTS (SELECT 1 FROM workers w WHERE w.id = $1 AND w.lease_until > now())
RETURNING t.run_id AS "run_id: RunId", t.kind, t.org_id AS "org_id: OrgId", t.lane, t.lease_token AS "token!: LeaseToken",
  t.lease_epoch AS epoch, t.claimed_at AS "claimed_at!", (extract(epoch FROM t.deadline_at - now()) * 1000)::bigint AS "left_ms!",
  t.timeout_ms, t.max_attempts, t.failures, t.crashes, t.error, r.input, r.user_id AS "user_id: UserId",
  r.session_id AS "session_id: SessionId", t.batch_id AS "batch_id: BatchId", r.batch_n, r.interaction_id AS "interaction_id: InteractionId", r.request_id, r.traceparent,
  r.generation, r.user_sequence, r.stream, r.quality_mode, t.fair_rank AS rank,
  (SELECT jsonb_object_agg(n.stage, n.output) FROM pipeline_steps n WHERE n.run_id = t.run_id AND n.status = 'completed') AS needs
