WITH n AS MATERIALIZED (
  SELECT ctid AS c, run_id FROM pipeline_steps
  WHERE run_id = ANY($3) AND status = 'ready' AND crashes < 2 AND kind = ANY($4) FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE pipeline_steps t
SET status = 'running', worker_id = $1, lease_token = $2, lease_epoch = t.lease_epoch + 1,
    claimed_at = clock_timestamp(), must_end_by = clock_timestamp() + (t.timeout_ms + 15000) * interval '1 ms'
FROM n CROSS JOIN LATERAL (
  SELECT input, user_id, session_id, interaction_id, request_id, traceparent, generation, user_sequence, stream, quality_mode, model_override, batch_n
  FROM pipeline_runs WHERE id = n.run_id OFFSET 0
) r
WHERE t.ctid = n.c AND t.status = 'ready' AND EXISTS (SELECT 1 FROM workers w WHERE w.id = $1 AND w.lease_until > now())
RETURNING t.run_id AS "run_id: RunId", t.kind, t.org_id AS "org_id: OrgId", t.lane, t.lease_token AS "token!: LeaseToken",
  t.lease_epoch AS epoch, t.claimed_at AS "claimed_at!", (extract(epoch FROM t.deadline_at - now()) * 1000)::bigint AS "left_ms!",
  t.timeout_ms, t.max_attempts, t.failures, t.crashes, t.error, r.input, r.user_id AS "user_id: UserId",
  r.session_id AS "session_id: SessionId", t.batch_id AS "batch_id: BatchId", r.batch_n, r.interaction_id AS "interaction_id: InteractionId", r.request_id, r.traceparent,
  r.generation, r.user_sequence, r.stream, r.quality_mode, r.model_override, t.fair_rank AS rank,
  (SELECT jsonb_object_agg(n.stage, n.output) FROM pipeline_steps n WHERE n.run_id = t.run_id AND n.status = 'completed') AS needs,
  false AS "held!"
