WITH b AS MATERIALIZED (
  SELECT batch_id, max_cost_cents - spent_cents - reserved_cents AS left, reserved_cents FROM batch_budgets
  WHERE batch_id = ANY ($1) ORDER BY batch_id FOR NO KEY UPDATE
), o AS MATERIALIZED (
  SELECT * FROM budgets WHERE org_id = ANY ($2) AND is_limited ORDER BY org_id FOR NO KEY UPDATE
)
SELECT b.batch_id, NULL::uuid AS org_id, b.left, b.reserved_cents AS reserved, NULL::bigint AS requests_per_minute, NULL::bigint AS tokens_per_minute,
  NULL::numeric AS cents_per_minute, NULL::bigint AS requests_per_day, NULL::bigint AS tokens_per_day, NULL::numeric AS cents_per_day
FROM b
UNION ALL
SELECT NULL, o.org_id, NULL, NULL, o.requests_per_minute, o.tokens_per_minute, o.cents_per_minute, o.requests_per_day, o.tokens_per_day, o.cents_per_day
FROM o
-- Those that nobody has set one for, while the settings have one for them: without a limit.
UNION ALL
SELECT NULL, v.org_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM unnest($2) AS v(org_id)
WHERE EXISTS (SELECT 1 FROM budget_defaults) AND NOT EXISTS (SELECT 1 FROM budgets n WHERE n.org_id = v.org_id)
