SELECT to_jsonb(v) AS "row!" FROM (
  SELECT z.session_id, z.pending_run_id, r.status
  FROM summary_states z LEFT JOIN pipeline_runs r ON r.id = z.pending_run_id
  WHERE z.pending_run_id IS NOT NULL AND (r.id IS NULL OR r.status NOT IN ('queued', 'running') OR r.session_id <> z.session_id)
  LIMIT 20
) v
