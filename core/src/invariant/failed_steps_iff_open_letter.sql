-- A letter that was opened again after its steps had gone can only be redriven from the start, and has none.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT r.id AS run_id, r.generation,
      EXISTS (SELECT 1 FROM pipeline_steps s WHERE s.run_id = r.id) AS has_steps,
      EXISTS (SELECT 1 FROM dead_letter_queue d WHERE d.pipeline_run_id = r.id AND d.generation = r.generation
              AND d.status IN ('pending', 'investigating') AND NOT d.restart_only) AS has_open_letter
    FROM pipeline_runs r WHERE r.status = 'failed'
  ) f WHERE has_steps <> has_open_letter
  LIMIT 20
) v
