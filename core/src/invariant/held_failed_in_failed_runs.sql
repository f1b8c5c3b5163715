-- Both ways: what a failed run has not finished is dead, held, or still running somewhere.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT s.run_id, s.stage, s.status, s.held_by, r.status AS run_status
  FROM pipeline_steps s LEFT JOIN pipeline_runs r ON r.id = s.run_id
  WHERE ((s.held_by = 'failed' OR s.status = 'dead') AND r.status IS DISTINCT FROM 'failed')
     OR (r.status = 'failed' AND (s.status IN ('ready', 'delayed') OR s.held_by IN ('turn', 'pause')))
  LIMIT 20
) v
