SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.session_id, r.id AS run_id, r.turn, a.turn AS active_turn
  FROM sessions x
  JOIN pipeline_runs a ON a.id = x.active_run_id
  JOIN pipeline_runs r ON r.session_id = x.id AND r.turn < a.turn
  WHERE r.status IN ('queued', 'running') AND r.generation = 1
  LIMIT 20
) v
