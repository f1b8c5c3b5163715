SELECT to_jsonb(v) AS "row!" FROM (
  SELECT pid, application_name, state, state_change
  FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
    AND state_change < clock_timestamp() - interval '1 second'
  LIMIT 20
) v
