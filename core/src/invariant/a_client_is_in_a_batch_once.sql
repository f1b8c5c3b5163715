-- Accept lists nobody twice; there is no index for it, since ten thousand items are written at once.
SELECT batch_id, client_id, count(*) FROM batch_items GROUP BY batch_id, client_id HAVING count(*) > 1
