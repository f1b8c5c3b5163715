SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT run_id, stage, token, claimed_at, ended_at,
      max(ended_at) OVER (PARTITION BY run_id, stage ORDER BY claimed_at, ended_at
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS owned_before_until
    FROM (
      SELECT pipeline_run_id AS run_id, event_data->>'stage' AS stage, event_data->>'token' AS token,
        (event_data->>'claimed_at')::timestamptz AS claimed_at, (event_data->>'ended_at')::timestamptz AS ended_at
      FROM pipeline_events WHERE event_type = 'stage.wide'
      UNION ALL
      SELECT run_id, split_part(kind, '/', 2), lease_token::text, claimed_at, 'infinity' FROM pipeline_steps WHERE status = 'running'
    ) e
    WHERE token IS NOT NULL AND claimed_at IS NOT NULL
  ) o WHERE claimed_at < owned_before_until OR ended_at < claimed_at
  LIMIT 20
) v
