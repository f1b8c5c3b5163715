SELECT to_jsonb(v) AS "row!" FROM (
  SELECT batch_id, client_id, count(*) AS items FROM batch_items GROUP BY batch_id, client_id HAVING count(*) > 1
  LIMIT 20
) v
