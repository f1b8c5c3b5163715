-- Over all generations: a resume runs no finished stage again. A restart runs all of them again, once.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT e.pipeline_run_id AS run_id, e.event_data->>'stage' AS stage, s.starts, count(*) AS successes,
    jsonb_agg(e.event_data->'token') AS tokens
  FROM pipeline_events e
  LEFT JOIN LATERAL (
    SELECT count(*) AS starts FROM pipeline_events b
    WHERE b.pipeline_run_id = e.pipeline_run_id AND b.event_type = 'run.redriven' AND b.event_data->>'from' = 'start'
      AND (b.event_data->>'generation')::int <= (e.event_data->>'generation')::int) s ON true
  WHERE e.event_type = 'stage.wide' AND e.event_data->>'status' IN ('ok', 'skip')
  GROUP BY e.pipeline_run_id, e.event_data->>'stage', s.starts HAVING count(*) > 1
  LIMIT 20
) v
