SELECT to_jsonb(v) AS "row!" FROM (
  SELECT run_id, stage, status, failures, max_attempts, crashes
  FROM pipeline_steps
  WHERE failures > max_attempts OR crashes > 3 OR (status <> 'dead' AND (failures >= max_attempts OR crashes >= 3))
  LIMIT 20
) v
