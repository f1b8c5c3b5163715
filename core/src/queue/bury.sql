INSERT INTO dead_letter_queue (id, org_id, pipeline_run_id, generation, previous_id, pipeline, pipeline_version, batch_id, error_type,
  error_message, error_code, failed_stage, errors, provider, model_id, fingerprint, failures, crashes, snoozes, context_snapshot,
  input_data, request_id, session_id, user_id, retry_count, max_retries, next_retry_at, created_at, updated_at)
SELECT $1, r.org_id, r.id, r.generation, p.id, r.pipeline, r.pipeline_version, r.batch_id, $3, $4, $3, $5, $6, $7::text, $8::text, $9,
  coalesce(s.failures, 0), coalesce(s.crashes, 0), coalesce(s.snoozes, 0),
  jsonb_build_object('pipeline_run_id', r.id, 'org_id', r.org_id, 'user_id', r.user_id, 'session_id', r.session_id,
    'request_id', r.request_id, 'generation', r.generation, 'turn', r.turn, 'done', $12::bigint, 'user_sequence', r.user_sequence,
    'quality_mode', r.quality_mode, 'pipeline', r.pipeline, 'pipeline_version', r.pipeline_version, 'lane', r.behavior,
    'stream', r.stream, 'interaction_id', r.interaction_id, 'target_type', r.target_type, 'target_id', r.target_id,
    'parent_run_id', r.parent_run_id)
  || jsonb_build_object('batch_id', r.batch_id, 'batch_n', r.batch_n, 'traceparent', r.traceparent, 'model_override', r.model_override,
    'outputs', (SELECT jsonb_object_agg(split_part(o.kind, '/', 2), o.output) FROM pipeline_steps o
                WHERE o.run_id = r.id AND o.status = 'completed')),
  r.input, r.request_id, r.session_id, r.user_id, coalesce(p.retry_count, 0), $11,
  CASE WHEN $10::bigint IS NOT NULL AND coalesce(p.retry_count, 0) < $11 THEN clock_timestamp()
    + least($10::bigint * 2 ^ coalesce(p.retry_count, 0), 86400000) * interval '1 ms' END,
  clock_timestamp(), clock_timestamp()
FROM pipeline_runs r
LEFT JOIN LATERAL (SELECT t.failures, t.crashes, t.snoozes FROM pipeline_steps t
  WHERE t.run_id = r.id AND split_part(t.kind, '/', 2) = $5 LIMIT 1) s ON true
LEFT JOIN dead_letter_queue p ON p.pipeline_run_id = r.id AND p.generation = r.generation - 1
WHERE r.id = $2
