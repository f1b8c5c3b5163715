SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.total_cost_cents, coalesce(c.cost, 0) AS calls_cost, r.tokens_in, c.tokens_in AS calls_in,
    r.tokens_out, c.tokens_out AS calls_out
  FROM pipeline_runs r
  LEFT JOIN (SELECT pipeline_run_id, sum(cost_cents) AS cost, sum(tokens_in) AS tokens_in, sum(tokens_out) AS tokens_out
             FROM provider_calls WHERE completed_at IS NOT NULL GROUP BY pipeline_run_id) c ON c.pipeline_run_id = r.id
  WHERE r.created_at > now() - interval '25 days'
    AND (r.total_cost_cents, r.tokens_in, r.tokens_out)
        IS DISTINCT FROM (coalesce(c.cost, 0), coalesce(c.tokens_in, 0), coalesce(c.tokens_out, 0))
  LIMIT 20
) v
