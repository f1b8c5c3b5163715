SELECT to_jsonb(v) AS "row!" FROM (
  SELECT s.run_id, s.stage, r.status AS run_status, r.session_id, x.active_run_id
  FROM pipeline_steps s
  LEFT JOIN pipeline_runs r ON r.id = s.run_id
  LEFT JOIN sessions x ON x.id = r.session_id
  WHERE s.held_by = 'turn'
    AND (r.turn IS NULL OR r.status NOT IN ('queued', 'running') OR x.active_run_id IS NULL OR x.active_run_id = r.id)
  LIMIT 20
) v
