SELECT to_jsonb(v) AS "row!" FROM (
  SELECT o.thing, r.id AS run_id, r.org_id AS run_org, o.org_id AS other_org
  FROM (
    SELECT 'step' AS thing, run_id, org_id FROM pipeline_steps
    UNION ALL SELECT 'event', pipeline_run_id, org_id FROM pipeline_events
    UNION ALL SELECT 'provider_call', pipeline_run_id, org_id FROM provider_calls
    UNION ALL SELECT 'stream', run_id, org_id FROM run_stream
    UNION ALL SELECT 'dead_letter', pipeline_run_id, org_id FROM dead_letter_queue
    UNION ALL SELECT 'interaction', run_id, org_id FROM interactions WHERE run_id IS NOT NULL
    UNION ALL SELECT 'summary', run_id, org_id FROM session_summaries
    UNION ALL SELECT 'idempotency_key', object_id, org_id FROM idempotency_keys
    UNION ALL SELECT 'session', s.id, x.org_id FROM pipeline_runs s JOIN sessions x ON x.id = s.session_id
  ) o JOIN pipeline_runs r ON r.id = o.run_id
  WHERE o.org_id <> r.org_id
  LIMIT 20
) v
