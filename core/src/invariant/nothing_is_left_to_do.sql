SELECT to_jsonb(v) AS "row!" FROM (
  SELECT run_id, stage, status, held_by, available_at
  FROM pipeline_steps WHERE status IN ('ready', 'delayed', 'running') OR (status = 'held' AND held_by <> 'failed')
  LIMIT 20
) v
