UPDATE dead_letter_queue d SET updated_at = clock_timestamp(), attempts = coalesce((
  SELECT jsonb_agg(a.attempt ORDER BY a.id) FROM (
    SELECT e.id, jsonb_build_object('stage', e.event_data -> 'stage', 'attempt', e.event_data -> 'attempt', 'status', e.event_data -> 'status',
      'worker_id', e.event_data -> 'worker_id', 'claimed_at', e.event_data -> 'claimed_at', 'ended_at', e.event_data -> 'ended_at',
      'duration_ms', e.event_data -> 'duration_ms', 'error_code', e.event_data -> 'error_code', 'error', e.event_data -> 'error',
      'provider_calls', coalesce((
        SELECT jsonb_agg(jsonb_build_object('id', c.id, 'provider', c.provider, 'model_id', c.model_id, 'started_at', c.started_at,
            'completed_at', c.completed_at, 'success', c.success, 'error_code', c.error_code, 'latency_ms', c.latency_ms,
            'ttft_ms', c.ttft_ms, 'tokens_in', c.tokens_in, 'tokens_out', c.tokens_out, 'cost_cents', c.cost_cents) ORDER BY c.id)
        FROM provider_calls c
        WHERE c.pipeline_run_id = d.pipeline_run_id AND c.lease_token = (e.event_data ->> 'token')::uuid
          AND c.stage = (e.event_data ->> 'stage_number')::smallint), '[]')) AS attempt
    FROM pipeline_events e
    WHERE e.pipeline_run_id = d.pipeline_run_id AND e.event_type = 'stage.wide' AND (e.event_data ->> 'generation')::int = d.generation
    ORDER BY e.id DESC LIMIT 200) a), '[]')
WHERE d.pipeline_run_id = ANY ($1) AND d.status IN ('pending', 'investigating')
