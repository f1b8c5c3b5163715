SELECT to_jsonb(v) AS "row!" FROM (
  SELECT c.id, c.pipeline_run_id, c.provider, c.model_id, c.started_at, e.opened_at, e.closed_at
  FROM breaker_events e
  JOIN provider_calls c ON c.operation = e.operation AND c.provider = e.provider AND coalesce(c.model_id, '') = e.model
  WHERE c.probe IS NULL AND c.started_at > e.opened_at AND c.started_at < coalesce(e.closed_at, 'infinity')
  LIMIT 20
) v
