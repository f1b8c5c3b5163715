SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.status, r.done, r.made
  FROM pipeline_runs r
  WHERE r.status IN ('queued', 'running')
    AND NOT EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = r.id AND s.status NOT IN ('completed', 'skipped'))
  LIMIT 20
) v
