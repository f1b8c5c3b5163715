-- What was counted when the budget was set stands for the calls from before; all others are in the ledger.
WITH c AS (
  SELECT c.org_id, c.counted_at, c.completed_at IS NULL AS is_open, c.most_tokens, c.most_cents, c.cost_cents,
    coalesce(c.tokens_in, 0)::bigint + coalesce(c.tokens_out, 0) AS tokens
  FROM provider_calls c WHERE c.counted_at > now() - interval '25 days'
), v AS (
  SELECT c.org_id, s.span, s.starts_at, count(*) AS requests,
    coalesce(sum(c.tokens) FILTER (WHERE NOT c.is_open), 0) AS tokens, coalesce(sum(c.cost_cents) FILTER (WHERE NOT c.is_open), 0) AS cents,
    coalesce(sum(c.most_tokens) FILTER (WHERE c.is_open), 0) AS reserved_tokens,
    coalesce(sum(c.most_cents) FILTER (WHERE c.is_open), 0) AS reserved_cents
  FROM c CROSS JOIN LATERAL (VALUES ('day', date_trunc('day', c.counted_at, 'UTC')),
    ('slice', date_bin('5 seconds', c.counted_at, '1970-01-01 00:00:00+00'))) AS s (span, starts_at)
  GROUP BY 1, 2, 3
)
SELECT to_jsonb(x) AS "row!" FROM (
  SELECT w.org_id, w.span, w.starts_at, w.requests, w.tokens, w.cents, w.reserved_tokens, w.reserved_cents, v.requests AS calls,
    v.tokens AS calls_tokens, v.cents AS calls_cents, v.reserved_tokens AS calls_reserved_tokens, v.reserved_cents AS calls_reserved_cents
  FROM budget_windows w LEFT JOIN v ON v.org_id = w.org_id AND v.span = w.span AND v.starts_at = w.starts_at
  WHERE w.starts_at > now() - interval '24 days'
    AND (w.requests - w.before_requests, w.tokens - w.before_tokens, w.cents - w.before_cents, w.reserved_tokens, w.reserved_cents)
      IS DISTINCT FROM (coalesce(v.requests, 0), coalesce(v.tokens, 0), coalesce(v.cents, 0), coalesce(v.reserved_tokens, 0),
        coalesce(v.reserved_cents, 0))
  LIMIT 20
) x
