-- An item of an operation gave its run the life that its letter's was followed by, and no other item did.
SELECT to_jsonb(v) AS "row!" FROM (
  SELECT i.op_id, i.n, i.run_id, i.generation, d.resolution, d.generation AS letter_generation
  FROM op_items i JOIN ops o ON o.id = i.op_id AND o.kind = 'redrive'
  LEFT JOIN dead_letter_queue d ON d.id = i.target_id
  WHERE i.status = 'ok' AND d.id IS NOT NULL
    AND (i.generation IS DISTINCT FROM d.generation + 1 OR d.resolution IS DISTINCT FROM 'redriven')
  UNION ALL
  SELECT min(i.op_id::text)::uuid, 0, i.run_id, i.generation, count(*)::text, 0
  FROM op_items i JOIN ops o ON o.id = i.op_id AND o.kind = 'redrive'
  WHERE i.status = 'ok' GROUP BY i.run_id, i.generation HAVING count(*) > 1
  LIMIT 20
) v
