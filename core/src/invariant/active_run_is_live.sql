SELECT to_jsonb(v) AS "row!" FROM (
  SELECT x.id AS session_id, x.active_run_id, r.status AS run_status, r.session_id AS session_of_run
  FROM sessions x LEFT JOIN pipeline_runs r ON r.id = x.active_run_id
  WHERE x.active_run_id IS NOT NULL
    AND (r.id IS NULL OR r.session_id IS DISTINCT FROM x.id OR r.turn IS NULL OR r.status NOT IN ('queued', 'running'))
  LIMIT 20
) v
