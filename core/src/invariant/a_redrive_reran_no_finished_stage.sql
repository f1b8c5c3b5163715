-- Seen from the claims: after a resume none of a stage that was finished in an earlier life and has not begun again since.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT e.pipeline_run_id AS run_id, e.event_data->>'stage' AS stage, (e.event_data->>'generation')::int AS generation,
    e.event_data->'token' AS token, (d.event_data->>'generation')::int AS done_in
  FROM pipeline_events r
  JOIN pipeline_events e ON e.pipeline_run_id = r.pipeline_run_id AND e.event_type = 'stage.wide'
    AND e.event_data->>'generation' = r.event_data->>'generation'
  JOIN pipeline_events d ON d.pipeline_run_id = e.pipeline_run_id AND d.event_type = 'stage.wide'
    AND d.event_data->>'stage' = e.event_data->>'stage' AND d.event_data->>'status' IN ('ok', 'skip')
    AND (d.event_data->>'generation')::int < (e.event_data->>'generation')::int
  WHERE r.event_type = 'run.redriven' AND r.event_data->>'from' = 'failed'
    AND NOT EXISTS (
      SELECT 1 FROM pipeline_events b
      WHERE b.pipeline_run_id = e.pipeline_run_id AND b.event_type = 'run.redriven' AND b.event_data->>'from' = 'start'
        AND (b.event_data->>'generation')::int > (d.event_data->>'generation')::int
        AND (b.event_data->>'generation')::int <= (e.event_data->>'generation')::int)
  LIMIT 20
) v
