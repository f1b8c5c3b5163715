SELECT to_jsonb(v) AS "row!" FROM (
  SELECT b.id AS batch_id, b.status, i.n, i.status AS item, i.sampled
  FROM email_batches b JOIN batch_items i ON i.batch_id = b.id
  WHERE (b.status IN ('completed', 'cancelled') AND i.status IN ('waiting', 'admitted'))
     OR ('awaiting_approval' IN (b.status, b.paused_from) AND i.sampled AND i.status = 'waiting')
     OR (NOT b.is_approved AND NOT i.sampled AND i.status NOT IN ('waiting', 'cancelled'))
  LIMIT 20
) v
