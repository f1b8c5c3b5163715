WITH v AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::int[], $6::int[], $7::boolean[], $8::numeric[], $9::text[], $10::text[],
      $11::boolean[])
    AS v(id, output, latency_ms, ttft_ms, tokens_in, tokens_out, estimated, cost, code, message, fault)
), c AS (
  UPDATE provider_calls t
  SET output_content = v.output, latency_ms = v.latency_ms, ttft_ms = v.ttft_ms, tokens_in = v.tokens_in, tokens_out = v.tokens_out,
      usage_estimated = v.estimated, cost_cents = v.cost, success = v.code IS NULL, error_code = v.code, error = v.message,
      completed_at = clock_timestamp()
  FROM v WHERE t.id = ANY ($1) AND t.id = v.id AND t.completed_at IS NULL
  RETURNING t.id, t.pipeline_run_id, t.provider, t.model_id, t.success, t.cost_cents, t.tokens_in, t.tokens_out, t.ttft_ms, t.latency_ms,
    t.batch_id, t.reserved_cents, t.org_id, t.counted_at, t.most_tokens, t.most_cents, t.operation, v.fault
), k AS (
  INSERT INTO breaker_counts (operation, provider, model, calls, failures)
  SELECT c.operation, c.provider, coalesce(c.model_id, ''), count(*), count(*) FILTER (WHERE c.fault)
  FROM c WHERE c.fault IS NOT NULL GROUP BY c.operation, c.provider, coalesce(c.model_id, '')
), r AS (
  UPDATE pipeline_runs r
  SET total_cost_cents = r.total_cost_cents + c.cost_cents, tokens_in = r.tokens_in + c.tokens_in, tokens_out = r.tokens_out + c.tokens_out,
      -- Who answered, whatever is closed after it.
      provider = CASE WHEN c.success OR r.ttft_ms IS NULL OR r.provider IS NULL THEN c.provider ELSE r.provider END,
      model_id = CASE WHEN c.success OR r.ttft_ms IS NULL OR r.provider IS NULL THEN c.model_id ELSE r.model_id END,
      ttft_ms = CASE WHEN c.success THEN coalesce(c.ttft_ms, r.ttft_ms) ELSE coalesce(r.ttft_ms, c.ttft_ms) END,
      tokens_per_second = CASE WHEN c.success AND c.latency_ms > coalesce(c.ttft_ms, 0)
        THEN c.tokens_out * 1000.0 / (c.latency_ms - coalesce(c.ttft_ms, 0)) ELSE r.tokens_per_second END,
      llm_provider_call_id = CASE WHEN c.success THEN c.id ELSE coalesce(r.llm_provider_call_id, c.id) END
  FROM c WHERE r.id = ANY (ARRAY(SELECT c.pipeline_run_id FROM c)) AND r.id = c.pipeline_run_id
  RETURNING r.id, r.batch_n, r.completed_at IS NOT NULL AS has_ended
)
SELECT c.id AS "call_id!", c.batch_id, r.batch_n, coalesce(r.has_ended, false) AS "run_has_ended!", c.cost_cents AS "cost!",
  c.reserved_cents AS "reserved!", c.org_id AS "org_id!", c.counted_at, c.most_tokens AS "most_tokens!", c.most_cents AS "most_cents!",
  coalesce(c.tokens_in, 0)::bigint + coalesce(c.tokens_out, 0) AS "tokens!"
FROM c LEFT JOIN r ON r.id = c.pipeline_run_id
