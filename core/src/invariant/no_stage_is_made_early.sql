SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.status, r.done, r.made, x.stage
  FROM pipeline_runs r
  JOIN jsonb_to_recordset($1) AS x (pipeline text, version integer, n integer, stage text, deps bigint)
    ON x.pipeline = r.pipeline AND x.version = r.pipeline_version
  WHERE r.made & (1::bigint << x.n) <> 0 AND r.done & x.deps <> x.deps
  LIMIT 20
) v
