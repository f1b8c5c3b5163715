-- No pause can be made yet.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT run_id, stage, status, held_by FROM pipeline_steps WHERE held_by = 'pause' LIMIT 20
) v
