SELECT t.run_id AS "run_id: RunId", t.kind, t.org_id AS "org_id: OrgId", t.lane, t.lease_token AS "token!: LeaseToken",
  t.lease_epoch AS epoch, t.claimed_at AS "claimed_at!", (extract(epoch FROM t.deadline_at - now()) * 1000)::bigint AS "left_ms!",
  t.timeout_ms, t.max_attempts, t.failures, t.crashes, t.error, r.input, r.user_id AS "user_id: UserId",
  r.session_id AS "session_id: SessionId", t.batch_id AS "batch_id: BatchId", r.batch_n, r.interaction_id AS "interaction_id: InteractionId", r.request_id, r.traceparent,
  r.generation, r.user_sequence, r.stream, r.quality_mode, r.model_override, t.fair_rank AS rank,
  (SELECT jsonb_object_agg(n.stage, n.output) FROM pipeline_steps n WHERE n.run_id = t.run_id AND n.status = 'completed') AS needs, false AS "held!"
FROM pipeline_steps t JOIN pipeline_runs r ON r.id = t.run_id
WHERE t.worker_id = $1 AND t.status = 'running' AND t.lease_token = $2
