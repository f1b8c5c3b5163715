SELECT to_jsonb(v) AS "row!" FROM (
  SELECT o.id, o.status, o.total, o.done, o.ok, o.failed, i.items, i.pending, i.ok AS items_ok, i.failed AS items_failed
  FROM ops o CROSS JOIN LATERAL (
    SELECT count(*) AS items, count(*) FILTER (WHERE i.status = 'pending') AS pending, count(*) FILTER (WHERE i.status = 'ok') AS ok,
      count(*) FILTER (WHERE i.status = 'failed') AS failed FROM op_items i WHERE i.op_id = o.id) i
  WHERE (o.total, o.ok, o.failed, o.done) IS DISTINCT FROM (i.items, i.ok, i.failed, i.ok + i.failed)
     OR (o.status = 'done' AND i.pending > 0)
  LIMIT 20
) v
