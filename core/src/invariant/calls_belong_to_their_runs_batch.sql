SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.batch_id, o.thing, o.batch_id AS other_batch
  FROM (SELECT 'provider_call' AS thing, pipeline_run_id AS run_id, batch_id FROM provider_calls
        UNION ALL SELECT 'step', run_id, batch_id FROM pipeline_steps) o
  JOIN pipeline_runs r ON r.id = o.run_id
  WHERE o.batch_id IS DISTINCT FROM r.batch_id
  LIMIT 20
) v
