-- Events are kept for 30 days. Of a round that has ended it is known what it came to until another begins.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT * FROM (
    SELECT b.id AS batch_id, b.status, b.round, g.n AS of_round,
      (g.n < b.round OR b.completed_at IS NOT NULL)::int AS expected,
      count(e.id) AS found,
      count(e.id) FILTER (WHERE g.n < b.round AND e.event_data->>'status' IS DISTINCT FROM 'completed'
        OR g.n = b.round AND (e.event_data->>'status', e.event_data->'total', e.event_data->'completed', e.event_data->'failed',
          e.event_data->'cancelled') IS DISTINCT FROM (b.status::text, to_jsonb(b.total), to_jsonb(c.completed), to_jsonb(c.failed),
          to_jsonb(c.cancelled))) AS of_other_counts
    FROM email_batches b
    CROSS JOIN LATERAL (
      SELECT count(*) FILTER (WHERE i.status = 'completed') AS completed, count(*) FILTER (WHERE i.status = 'failed') AS failed,
        count(*) FILTER (WHERE i.status = 'cancelled') AS cancelled
      FROM batch_items i WHERE i.batch_id = b.id) c
    CROSS JOIN LATERAL generate_series(1, b.round) AS g (n)
    LEFT JOIN pipeline_events e ON e.batch_id = b.id AND e.event_type = 'batch.wide' AND (e.event_data->>'round')::int = g.n
    WHERE b.created_at > now() - interval '25 days'
    GROUP BY b.id, g.n
  ) r
  WHERE found <> expected OR of_other_counts > 0
  UNION ALL
  SELECT b.id, b.status, b.round, (e.event_data->>'round')::int, 0, 1, 0
  FROM pipeline_events e JOIN email_batches b ON b.id = e.batch_id
  WHERE e.event_type = 'batch.wide' AND (e.event_data->>'round')::int NOT BETWEEN 1 AND b.round
  LIMIT 20
) v
