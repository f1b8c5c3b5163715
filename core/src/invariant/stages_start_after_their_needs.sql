SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, x.stage, d.stage AS needs, (e.event_data->>'claimed_at')::timestamptz AS claimed_at, f.ended_at AS need_ended_at
  FROM pipeline_events e
  JOIN pipeline_runs r ON r.id = e.pipeline_run_id AND r.created_at > now() - interval '25 days'
  JOIN jsonb_to_recordset($1) AS x (pipeline text, version integer, n integer, stage text, deps bigint)
    ON x.pipeline = r.pipeline AND x.version = r.pipeline_version AND x.stage = e.event_data->>'stage'
  JOIN jsonb_to_recordset($1) AS d (pipeline text, version integer, n integer, stage text)
    ON d.pipeline = x.pipeline AND d.version = x.version AND x.deps & (1::bigint << d.n) <> 0
  LEFT JOIN LATERAL (
    SELECT min((p.event_data->>'ended_at')::timestamptz) AS ended_at FROM pipeline_events p
    WHERE p.pipeline_run_id = r.id AND p.event_type = 'stage.wide' AND p.event_data->>'stage' = d.stage
      AND p.event_data->>'status' IN ('ok', 'skip')
  ) f ON true
  WHERE e.event_type = 'stage.wide' AND (e.event_data->>'claimed_at')::timestamptz < coalesce(f.ended_at, 'infinity')
  LIMIT 20
) v
