SELECT to_jsonb(v) AS "row!" FROM (
  SELECT id AS run_id, status, generation, done, started_at
  FROM pipeline_runs
  WHERE (status = 'queued' AND generation = 1 AND (done <> 0 OR started_at IS NOT NULL))
     OR (status IN ('running', 'completed') AND started_at IS NULL)
  LIMIT 20
) v
