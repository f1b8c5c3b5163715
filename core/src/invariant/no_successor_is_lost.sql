-- The lossy fan-in: both branches saw the other one unfinished, and nobody made what follows them.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.status, r.done, r.made, x.stage
  FROM pipeline_runs r
  JOIN jsonb_to_recordset($1) AS x (pipeline text, version integer, n integer, stage text, deps bigint)
    ON x.pipeline = r.pipeline AND x.version = r.pipeline_version
  WHERE (r.status IN ('queued', 'running')
         OR (r.status = 'failed' AND EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = r.id)))
    AND r.done & x.deps = x.deps AND r.made & (1::bigint << x.n) = 0
  LIMIT 20
) v
