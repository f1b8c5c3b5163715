WITH t AS MATERIALIZED (SELECT clock_timestamp() AS now),
c AS (
  SELECT coalesce(c.counted_at, c.started_at) AS at, c.counted_at IS NOT NULL AS is_counted, c.completed_at IS NULL AS is_open,
    CASE WHEN c.completed_at IS NULL THEN c.most_tokens ELSE coalesce(c.tokens_in, 0)::bigint + coalesce(c.tokens_out, 0) END AS tokens,
    CASE WHEN c.completed_at IS NULL THEN c.most_cents ELSE c.cost_cents END AS cents
  FROM provider_calls c WHERE c.org_id = $1 AND c.id >= $2
), v AS (
  SELECT s.span, s.starts_at, count(*) AS requests,
    coalesce(sum(c.tokens) FILTER (WHERE NOT (c.is_open AND c.is_counted)), 0)::bigint AS tokens,
    coalesce(sum(c.cents) FILTER (WHERE NOT (c.is_open AND c.is_counted)), 0) AS cents,
    coalesce(sum(c.tokens) FILTER (WHERE c.is_open AND c.is_counted), 0)::bigint AS reserved_tokens,
    coalesce(sum(c.cents) FILTER (WHERE c.is_open AND c.is_counted), 0) AS reserved_cents,
    count(*) FILTER (WHERE NOT c.is_counted) AS before_requests,
    coalesce(sum(c.tokens) FILTER (WHERE NOT c.is_counted), 0)::bigint AS before_tokens,
    coalesce(sum(c.cents) FILTER (WHERE NOT c.is_counted), 0) AS before_cents
  FROM t CROSS JOIN c
  CROSS JOIN LATERAL (VALUES ('day', date_trunc('day', c.at, 'UTC')),
                             ('slice', date_bin('5 seconds', c.at, '1970-01-01 00:00:00+00'))) AS s(span, starts_at)
  WHERE s.starts_at >= CASE s.span WHEN 'day' THEN date_trunc('day', t.now, 'UTC') ELSE t.now - interval '65 seconds' END
  GROUP BY 1, 2
)
INSERT INTO budget_windows AS w (org_id, span, starts_at, requests, tokens, cents, reserved_tokens, reserved_cents,
  before_requests, before_tokens, before_cents, most_requests, most_tokens, most_cents)
SELECT $1, v.span, v.starts_at, v.requests, v.tokens, v.cents, v.reserved_tokens, v.reserved_cents, v.before_requests, v.before_tokens, v.before_cents,
  CASE WHEN v.span = 'day' AND b.requests_per_day IS NOT NULL THEN greatest(b.requests_per_day, v.requests) END,
  CASE WHEN v.span = 'day' AND b.tokens_per_day IS NOT NULL THEN greatest(b.tokens_per_day, v.tokens + v.reserved_tokens) END,
  CASE WHEN v.span = 'day' AND b.cents_per_day IS NOT NULL THEN greatest(b.cents_per_day, v.cents + v.reserved_cents) END
FROM v JOIN budgets b ON b.org_id = $1
ON CONFLICT (org_id, span, starts_at) DO UPDATE SET
  requests = excluded.requests, tokens = excluded.tokens, cents = excluded.cents, reserved_tokens = excluded.reserved_tokens,
  reserved_cents = excluded.reserved_cents, before_requests = excluded.before_requests, before_tokens = excluded.before_tokens,
  before_cents = excluded.before_cents, most_requests = excluded.most_requests, most_tokens = excluded.most_tokens,
  most_cents = excluded.most_cents
