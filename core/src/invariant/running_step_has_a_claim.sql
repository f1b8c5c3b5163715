SELECT to_jsonb(v) AS "row!" FROM (
  SELECT run_id, stage, status, worker_id, claimed_at, must_end_by
  FROM pipeline_steps
  WHERE (status = 'running') <> (worker_id IS NOT NULL)
     OR (status = 'running' AND (lease_token IS NULL OR lease_epoch < 1 OR claimed_at IS NULL OR must_end_by IS NULL))
  LIMIT 20
) v
