SELECT to_jsonb(v) AS "row!" FROM (
  SELECT coalesce(b.id, t.batch_id) AS batch_id, b.max_cost_cents AS of_batch, t.max_cost_cents, t.spent_cents, t.reserved_cents
  FROM email_batches b FULL JOIN batch_budgets t ON t.batch_id = b.id
  WHERE t.spent_cents + t.reserved_cents > t.max_cost_cents
     OR b.id IS NOT NULL AND b.max_cost_cents IS DISTINCT FROM t.max_cost_cents
  LIMIT 20
) v
