SELECT to_jsonb(v) AS "row!" FROM (
  SELECT id AS run_id, status, status_reason, success, completed_at, failure IS NOT NULL AS has_failure
  FROM pipeline_runs
  WHERE (status IN ('completed', 'failed', 'cancelled')) <> (completed_at IS NOT NULL)
     OR success <> (status = 'completed')
     OR (status = 'failed') <> (failure IS NOT NULL)
     OR (status = 'cancelled' AND status_reason IS NULL)
  LIMIT 20
) v
