-- The minute slides: what is in a slice was let through when it and the twelve before it held no more than the limit then.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT w.org_id, w.span, w.starts_at, t.requests, t.tokens, t.cents, w.most_requests, w.most_tokens, w.most_cents
  FROM budget_windows w
  CROSS JOIN LATERAL (
    SELECT sum(b.requests) AS requests, sum(b.tokens + b.reserved_tokens) AS tokens, sum(b.cents + b.reserved_cents) AS cents
    FROM budget_windows b
    WHERE b.org_id = w.org_id AND b.span = w.span AND b.starts_at <= w.starts_at
      AND (b.starts_at = w.starts_at OR (w.span = 'slice' AND b.starts_at >= w.starts_at - interval '60 seconds'))
  ) t
  WHERE t.requests > w.most_requests OR t.tokens > w.most_tokens OR t.cents > w.most_cents
  LIMIT 20
) v
