SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.session_id, r.id AS run_id, r.turn, s.stage, s.status, s.held_by, x.active_run_id
  FROM pipeline_runs r
  JOIN sessions x ON x.id = r.session_id AND x.active_run_id IS DISTINCT FROM r.id
  JOIN pipeline_steps s ON s.run_id = r.id
  WHERE r.turn IS NOT NULL AND r.status IN ('queued', 'running')
    AND s.status NOT IN ('completed', 'skipped') AND s.held_by IS DISTINCT FROM 'turn'
  LIMIT 20
) v
