-- Over all generations: a resume runs no finished stage again.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT pipeline_run_id AS run_id, event_data->>'stage' AS stage, count(*) AS successes,
    jsonb_agg(event_data->'token') AS tokens
  FROM pipeline_events
  WHERE event_type = 'stage.wide' AND event_data->>'status' IN ('ok', 'skip')
  GROUP BY pipeline_run_id, event_data->>'stage' HAVING count(*) > 1
  LIMIT 20
) v
