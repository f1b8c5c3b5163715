SELECT to_jsonb(v) AS "row!" FROM (
  SELECT c.id AS call_id, c.pipeline_run_id AS run_id, c.lease_token, c.started_at, r.status AS run_status
  FROM provider_calls c LEFT JOIN pipeline_runs r ON r.id = c.pipeline_run_id
  WHERE c.completed_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM pipeline_steps s
                    WHERE s.run_id = c.pipeline_run_id AND s.lease_token = c.lease_token AND s.status = 'running')
  LIMIT 20
) v
