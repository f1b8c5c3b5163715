SELECT to_jsonb(v) AS "row!" FROM (
  SELECT coalesce(b.provider, e.provider) AS provider, coalesce(b.model, e.model) AS model, b.effective_at, e.opened_at
  FROM (SELECT * FROM breakers WHERE status = 'open' AND effective_at IS NOT NULL) b
  FULL JOIN (SELECT * FROM breaker_events WHERE closed_at IS NULL) e
    ON e.operation = b.operation AND e.provider = b.provider AND e.model = b.model
  WHERE b.effective_at IS DISTINCT FROM e.opened_at
  LIMIT 20
) v
