SELECT to_jsonb(v) AS "row!" FROM (
  SELECT r.id AS run_id, r.done, a.bits AS all_stages
  FROM pipeline_runs r
  JOIN (SELECT pipeline, version, bit_or(1::bigint << n) AS bits
        FROM jsonb_to_recordset($1) AS x (pipeline text, version integer, n integer) GROUP BY pipeline, version) a
    ON a.pipeline = r.pipeline AND a.version = r.pipeline_version
  WHERE (r.status = 'completed') <> (r.done = a.bits)
  LIMIT 20
) v
