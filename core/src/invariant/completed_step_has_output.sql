SELECT to_jsonb(v) AS "row!" FROM (
  SELECT run_id, stage, status FROM pipeline_steps WHERE status = 'completed' AND output IS NULL LIMIT 20
) v
