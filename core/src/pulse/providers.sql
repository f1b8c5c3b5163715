WITH s AS (
  -- An id says when it was made: so a day's calls are a part of the key.
  SELECT lpad(to_hex((extract(epoch FROM least(now() - interval '1 hour', date_trunc('day', now(), 'UTC'))) * 1000)::bigint), 12, '0')
    || '70008000000000000000' AS first
), c AS MATERIALIZED (
  SELECT c.provider, coalesce(c.model_id, '') AS model,
    count(*) FILTER (WHERE c.completed_at > now() - interval '1 hour') AS calls,
    count(*) FILTER (WHERE c.completed_at > now() - interval '1 hour' AND NOT c.success) AS failed,
    percentile_disc(0.95) WITHIN GROUP (ORDER BY c.latency_ms) FILTER (WHERE c.success AND c.completed_at > now() - interval '1 hour') AS p95,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY c.ttft_ms) FILTER (WHERE c.success AND c.completed_at > now() - interval '1 hour') AS ttft,
    coalesce(sum(c.cost_cents) FILTER (WHERE c.started_at >= date_trunc('day', now(), 'UTC')), 0) AS cost,
    count(*) FILTER (WHERE c.completed_at IS NULL) AS under_way
  FROM provider_calls c WHERE c.id >= (SELECT s.first::uuid FROM s) AND c.operation = 'llm'
  GROUP BY c.provider, coalesce(c.model_id, '')
), k AS (
  SELECT provider, model FROM breakers WHERE operation = 'llm' UNION SELECT provider, model FROM limits UNION SELECT provider, model FROM c
)
SELECT k.provider AS "provider!", k.model AS "model!",
  CASE WHEN b.status = 'open' AND b.probe_until > now() THEN 'probing' ELSE coalesce(b.status, 'closed') END AS "breaker!",
  b.until AS "until?", b.effective_at AS "opened_at?", b.actor AS "actor?", b.reason AS "reason?",
  CASE WHEN l.paused_until > now() THEN l.paused_until END AS "paused_until?", l.requests_per_minute AS "requests_per_minute?",
  l.tokens_per_minute AS "tokens_per_minute?",
  CASE WHEN l.told_at > now() - interval '1 minute' THEN l.requests_left END AS "requests_left?",
  CASE WHEN l.told_at > now() - interval '1 minute' THEN l.tokens_left END AS "tokens_left?",
  coalesce(c.calls, 0) AS "calls!", coalesce(c.failed, 0) AS "failed!", c.p95::bigint AS "p95_ms?", c.ttft::bigint AS "ttft_ms?",
  coalesce(c.cost, 0) AS "cost_today_cents!", coalesce(c.under_way, 0) AS "under_way!"
FROM k
LEFT JOIN breakers b ON b.operation = 'llm' AND b.provider = k.provider AND b.model = k.model
LEFT JOIN limits l ON l.provider = k.provider AND l.model = k.model
LEFT JOIN c ON c.provider = k.provider AND c.model = k.model
WHERE $1::text IS NULL OR k.provider = $1
ORDER BY k.provider, k.model LIMIT 1000
