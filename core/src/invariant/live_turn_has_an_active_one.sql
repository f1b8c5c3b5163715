SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.session_id, r.turn, r.status
  FROM pipeline_runs r LEFT JOIN sessions x ON x.id = r.session_id
  WHERE r.turn IS NOT NULL AND r.status IN ('queued', 'running') AND x.active_run_id IS NULL
  LIMIT 20
) v
