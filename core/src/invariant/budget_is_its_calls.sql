-- Open calls hold what they may cost, closed ones have spent what they did.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT b.batch_id, b.max_cost_cents, b.spent_cents, b.reserved_cents, coalesce(c.cost, 0) AS calls_cost, coalesce(c.reserved, 0) AS calls_reserved
  FROM batch_budgets b
  LEFT JOIN (SELECT batch_id, sum(cost_cents) AS cost, sum(reserved_cents) FILTER (WHERE completed_at IS NULL) AS reserved
             FROM provider_calls WHERE batch_id IS NOT NULL GROUP BY batch_id) c ON c.batch_id = b.batch_id
  WHERE (b.spent_cents, b.reserved_cents) IS DISTINCT FROM (coalesce(c.cost, 0), coalesce(c.reserved, 0))
  LIMIT 20
) v
