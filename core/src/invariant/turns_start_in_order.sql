-- A redriven turn goes after later ones, so only first lives bind those that follow.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT t.session_id, t.run_id, t.turn, t.started,
      max(coalesce(t.completed_at, 'infinity')) FILTER (WHERE t.generation = 1)
        OVER (PARTITION BY t.session_id ORDER BY t.turn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS earlier_ended
    FROM (
      SELECT r.session_id, r.id AS run_id, r.turn, r.generation, r.completed_at,
        least(r.started_at, (SELECT min((e.event_data->>'claimed_at')::timestamptz) FROM pipeline_events e
                             WHERE e.pipeline_run_id = r.id AND e.event_type = 'stage.wide')) AS started
      FROM pipeline_runs r WHERE r.turn IS NOT NULL
    ) t
  ) o WHERE started < earlier_ended
  LIMIT 20
) v
