INSERT INTO provider_calls (id, org_id, service, operation, provider, model_id, request_id, pipeline_run_id, stage, attempt, lease_token,
  worker_id, session_id, interaction_id, user_id, prompt_messages, tokens_in, batch_id, reserved_cents,
  most_tokens, most_cents, counted_at, probe, started_at)
-- Stamped with the time at which this statement came, before it looked at the breakers: one that opens after that look says so later.
SELECT v.id, s.org_id, v.service, 'llm', left(v.provider, 50), left(v.model_id, 100), left(v.request_id, 100), s.run_id, s.stage, v.attempt,
  s.lease_token, s.worker_id, v.session_id, v.interaction_id, v.user_id, v.prompt, v.tokens_in, s.batch_id, v.reserved,
  v.most_tokens, v.most_cents, v.counted_at, v.probe,
  statement_timestamp()
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::uuid[], $6::int[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::uuid[], $12::uuid[], $13::uuid[], $14::jsonb[], $15::int[], $16::numeric[], $17::bigint[], $18::numeric[], $19::timestamptz[],
    $20::uuid[])
  AS v(id, org_id, run_id, stage, token, attempt, service, provider, model_id, request_id, session_id, interaction_id, user_id, prompt,
    tokens_in, reserved, most_tokens, most_cents, counted_at, probe)
CROSS JOIN LATERAL (
  SELECT * FROM pipeline_steps t
  WHERE t.run_id = v.run_id AND t.stage = v.stage AND t.lease_token = v.token AND t.status = 'running' AND t.org_id = v.org_id OFFSET 0
) s
WHERE NOT EXISTS (SELECT 1 FROM breakers b
    WHERE b.operation = 'llm' AND b.provider = left(v.provider, 50) AND b.model = left(v.model_id, 100) AND b.status = 'open'
      AND (v.probe IS NULL OR b.probe IS DISTINCT FROM v.probe OR b.probe_until <= now()))
  AND NOT EXISTS (SELECT 1 FROM limits l
    WHERE l.provider = left(v.provider, 50) AND l.model = left(v.model_id, 100) AND l.paused_until > now())
RETURNING id
