SELECT to_jsonb(v) AS "row!" FROM (
  SELECT id AS run_id, status, done, made, created_at FROM pipeline_runs WHERE status IN ('queued', 'running') LIMIT 20
) v
