SELECT to_jsonb(v) AS "row!" FROM (
  SELECT s.run_id, s.stage, s.worker_id, w.lease_until
  FROM pipeline_steps s LEFT JOIN workers w ON w.id = s.worker_id
  WHERE s.status = 'running' AND (w.id IS NULL OR w.lease_until < now())
  LIMIT 20
) v
