-- A step that runs when its run fails is still settled; a completed or cancelled run has none.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.status, r.completed_at, e.event_data->>'stage' AS stage, e.event_data->>'claimed_at' AS claimed_at
  FROM pipeline_events e JOIN pipeline_runs r ON r.id = e.pipeline_run_id
  WHERE e.event_type = 'stage.wide' AND r.status IN ('completed', 'cancelled')
    AND (e.event_data->>'claimed_at')::timestamptz > r.completed_at
    AND e.event_data->>'token' IS NOT NULL
  LIMIT 20
) v
