SELECT to_jsonb(v) AS "row!" FROM (
  SELECT id AS run_id, done, made FROM pipeline_runs WHERE done & ~made <> 0 LIMIT 20
) v
