SELECT to_jsonb(v) AS "row!" FROM (
  SELECT token, count(DISTINCT worker) AS workers
  FROM (
    SELECT lease_token::text AS token, worker_id::text AS worker FROM pipeline_steps WHERE status = 'running'
    UNION ALL
    SELECT event_data->>'token', event_data->>'worker_id' FROM pipeline_events WHERE event_type = 'stage.wide'
  ) t
  WHERE token IS NOT NULL
  GROUP BY token HAVING count(DISTINCT worker) > 1
  LIMIT 20
) v
