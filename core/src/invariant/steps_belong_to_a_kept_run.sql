SELECT to_jsonb(v) AS "row!" FROM (
  SELECT s.run_id, s.stage, s.kind, s.status, r.status AS run_status
  FROM pipeline_steps s LEFT JOIN pipeline_runs r ON r.id = s.run_id
  WHERE r.id IS NULL OR r.status IN ('completed', 'cancelled')
  LIMIT 20
) v
