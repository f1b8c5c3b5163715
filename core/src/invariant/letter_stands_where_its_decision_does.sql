-- What is closed says by whom and how; what is open doesn't; only a redriven one is behind its run.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT d.id, d.status, d.resolution, d.generation, r.generation AS run_generation, r.status AS run_status
  FROM dead_letter_queue d LEFT JOIN pipeline_runs r ON r.id = d.pipeline_run_id
  WHERE (d.status IN ('resolved', 'abandoned')) <> (d.resolved_by_actor IS NOT NULL)
     OR (d.resolution IS NULL) <> (d.status IN ('pending', 'investigating'))
     OR (d.status = 'investigating' AND d.investigated_by_actor IS NULL)
     OR (d.status <> 'pending' AND d.next_retry_at IS NOT NULL)
     OR ((d.resolution IS NOT DISTINCT FROM 'redriven') <> (r.generation > d.generation))
     OR (d.previous_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dead_letter_queue p WHERE p.id = d.previous_id
         AND p.pipeline_run_id = d.pipeline_run_id AND p.generation = d.generation - 1))
  LIMIT 20
) v
