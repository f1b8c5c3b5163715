WITH l AS (
  UPDATE budgets b SET last_tokens = v.tokens, last_cents = v.cents
  FROM unnest($1::uuid[], $2::bigint[], $3::numeric[]) AS v(org_id, tokens, cents)
  WHERE b.org_id = ANY ($1) AND b.org_id = v.org_id AND (b.last_tokens, b.last_cents) <> (v.tokens, v.cents)
), d AS (
  DELETE FROM budget_windows WHERE org_id = ANY ($1)
    AND ((span = 'slice' AND starts_at < now() - interval '2 minutes') OR (span = 'day' AND starts_at < now() - interval '40 days'))
)
INSERT INTO budget_windows AS w (org_id, span, starts_at, requests, reserved_tokens, reserved_cents, most_requests, most_tokens, most_cents)
SELECT * FROM unnest($4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[], $9::numeric[], $10::bigint[], $11::bigint[], $12::numeric[])
ON CONFLICT (org_id, span, starts_at) DO UPDATE SET
  requests = w.requests + excluded.requests,
  reserved_tokens = w.reserved_tokens + excluded.reserved_tokens,
  reserved_cents = w.reserved_cents + excluded.reserved_cents,
  most_requests = CASE WHEN w.most_requests IS NOT NULL AND excluded.most_requests IS NOT NULL THEN greatest(w.most_requests, excluded.most_requests) END,
  most_tokens = CASE WHEN w.most_tokens IS NOT NULL AND excluded.most_tokens IS NOT NULL THEN greatest(w.most_tokens, excluded.most_tokens) END,
  most_cents = CASE WHEN w.most_cents IS NOT NULL AND excluded.most_cents IS NOT NULL THEN greatest(w.most_cents, excluded.most_cents) END
