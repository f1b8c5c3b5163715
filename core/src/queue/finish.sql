WITH v AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::jsonb[], $6::jsonb[], $7::smallint[], $8::bigint[], $9::bigint[], $10::int[],
    $11::timestamptz[], $12::jsonb[]) AS v(run_id, status, reason, token, result, failure, cancelled_stage, done, made, major, started_at,
    carried)
), gone AS (
  DELETE FROM pipeline_steps t WHERE t.run_id = ANY (ARRAY(SELECT v.run_id FROM v WHERE v.status <> 'failed'))
  RETURNING t.run_id, t.stage, t.kind, t.status, t.claimed_at, t.ended_at, t.failures, t.crashes, t.error
), steps AS (
  SELECT * FROM gone
  UNION ALL
  SELECT t.run_id, t.stage, t.kind, t.status, t.claimed_at, t.ended_at, t.failures, t.crashes, t.error
  FROM pipeline_steps t WHERE t.run_id = ANY (ARRAY(SELECT v.run_id FROM v WHERE v.status = 'failed')) AND t.ended_at IS NOT NULL
), folded AS (
  SELECT s.run_id, jsonb_object_agg(split_part(s.kind, '/', 2), jsonb_build_object(
    'status', CASE WHEN s.stage = v.cancelled_stage THEN 'cancel' WHEN s.status = 'completed' THEN 'ok' WHEN s.status = 'skipped' THEN 'skip'
                   WHEN s.status = 'dead' THEN 'fail' ELSE 'cancel' END,
    'duration_ms', greatest(0, (extract(epoch FROM coalesce(s.ended_at, clock_timestamp()) - s.claimed_at) * 1000)::bigint),
    'attempts', s.failures + s.crashes + CASE WHEN s.status = 'dead' THEN 0 ELSE 1 END,
    'error', s.error ->> 'code')) AS stages
  FROM steps s JOIN v ON v.run_id = s.run_id GROUP BY s.run_id
), ended AS (
  UPDATE pipeline_runs r
SET status = v.status, success = (v.status = 'completed'), status_reason = v.reason, end_token = v.token, result = v.result,
    failure = v.failure, error = v.failure ->> 'message', error_code = v.failure ->> 'code',
    done = v.done, made = v.made, stream_major = v.major,
    started_at = coalesce(r.started_at, v.started_at), completed_at = clock_timestamp(),
    total_latency_ms = least(2147483647, (extract(epoch FROM clock_timestamp() - r.created_at) * 1000)::bigint)::int,
    stages = r.stages || coalesce(f.stages, '{}') || coalesce(v.carried, '{}')
FROM v LEFT JOIN folded f ON f.run_id = v.run_id
WHERE r.id = ANY ($1) AND r.id = v.run_id
RETURNING r.id, r.org_id, r.request_id, r.session_id, r.user_id, r.batch_id, r.batch_n, r.status, r.total_cost_cents, r.target_id,
  jsonb_build_object('topology', r.topology, 'generation', r.generation, 'status', r.status, 'reason', r.status_reason, 'success', r.success,
    'error_code', r.error_code, 'stages', r.stages, 'total_latency_ms', r.total_latency_ms, 'ttft_ms', r.ttft_ms, 'tokens_in', r.tokens_in,
    'tokens_out', r.tokens_out, 'total_cost_cents', r.total_cost_cents, 'provider', r.provider, 'model_id', r.model_id) AS data
), items AS (
-- An item's cost is that of its ended runs: who closes a call of an ended run adds to it, a redrive takes its run's off again.
UPDATE batch_items i
SET status = e.status, cost_cents = i.cost_cents + e.total_cost_cents, ended_at = clock_timestamp(),
    warnings = CASE e.status WHEN 'completed' THEN coalesce((SELECT least(jsonb_array_length(m.warnings), 32767) FROM sales_emails m
      WHERE m.email_id = e.target_id AND m.is_latest), 0) ELSE i.warnings END
FROM ended e
WHERE i.batch_id = e.batch_id AND i.n = e.batch_n AND i.run_id = e.id AND i.status = 'admitted'
)
SELECT id AS "id!", org_id AS "org_id!", request_id, session_id, user_id, data AS "data!" FROM ended
