-- Retention. What goes by age goes by its id where that is a UUIDv7: no index that the queue's own writes would pay for.

-- The lowest UUIDv7 of a time.
CREATE FUNCTION uuid_at(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- How far a duty of retention has come that leaves its rows behind.
CREATE TABLE retention_marks (
  name text PRIMARY KEY,
  up_to uuid NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON retention_marks TO hellosales_worker, hellosales_operator;

-- An import is of one organisation; what is old of all of them is cleared away by the worker, who sees nothing that is younger.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['client_imports', 'client_import_members'] LOOP
    EXECUTE format('CREATE POLICY %I ON %I FOR SELECT TO hellosales_worker USING (%I < uuid_at(now() - interval ''26 days''))',
      t || '_prune_see', t, CASE t WHEN 'client_imports' THEN 'id' ELSE 'import_id' END);
    EXECUTE format('CREATE POLICY %I ON %I FOR DELETE TO hellosales_worker USING (%I < uuid_at(now() - interval ''26 days''))',
      t || '_prune', t, CASE t WHEN 'client_imports' THEN 'id' ELSE 'import_id' END);
  END LOOP;
END $$;

-- Months of events and calls. The roles own nothing: these two do for them what only the owner may, and nothing else.
-- In three steps, each a transaction, so that no lock is held while a table is read: the default partition is told that it has
-- nothing of the month, it is looked whether that is so, and the month gets its partition, which then needs no look.
CREATE FUNCTION make_partition(parent text, month date, step integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  child text := parent || to_char(month, '_YYYY_MM');
  rest text := parent || '_default';
  rule text := 'none_of' || to_char(month, '_YYYY_MM');
  low uuid := public.uuid_at(month::timestamp AT TIME ZONE 'UTC');
  high uuid := public.uuid_at((month + interval '1 month')::timestamp AT TIME ZONE 'UTC');
BEGIN
  IF parent NOT IN ('pipeline_events', 'provider_calls') OR month <> date_trunc('month', month)
     OR month < date_trunc('month', now() AT TIME ZONE 'UTC') OR month > now() AT TIME ZONE 'UTC' + interval '3 months' THEN
    RAISE EXCEPTION 'no partition of % for % can be made', parent, month USING ERRCODE = '22023';
  END IF;
  IF to_regclass('public.' || child) IS NOT NULL THEN
    RETURN false;
  END IF;
  IF step = 0 THEN
    -- A rule that was left when its month has come: nothing could be written.
    IF EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass('public.' || rest) AND conname = rule) THEN
      EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT %I', rest, rule);
    END IF;
    RETURN false;
  ELSIF step = 1 AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass('public.' || rest) AND conname = rule) THEN
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I CHECK (id IS NULL OR id < %L OR id >= %L) NOT VALID', rest, rule, low, high);
  ELSIF step = 2 THEN
    EXECUTE format('ALTER TABLE public.%I VALIDATE CONSTRAINT %I', rest, rule);
  ELSIF step = 3 THEN
    EXECUTE format('CREATE TABLE public.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)', child, parent, low, high);
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', child);
    EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', child);
    EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT IF EXISTS %I', rest, rule);
  END IF;
  RETURN true;
END $$;

-- Only of a month that has been over for 26 days: whoever asks can't drop what is young.
CREATE FUNCTION drop_partition(parent text, month date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
  child text := parent || to_char(month, '_YYYY_MM');
BEGIN
  IF parent NOT IN ('pipeline_events', 'provider_calls') OR month <> date_trunc('month', month)
     OR month + interval '1 month' + interval '26 days' > now() AT TIME ZONE 'UTC' THEN
    RAISE EXCEPTION 'the partition of % for % stays', parent, month USING ERRCODE = '22023';
  END IF;
  IF to_regclass('public.' || child) IS NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('DROP TABLE public.%I', child);
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION make_partition, drop_partition FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_partition, drop_partition TO hellosales_worker, hellosales_operator;

-- This month and the next two, where nothing was written before. Later ones are the janitor's.
DO $$
DECLARE
  parent text;
  n integer;
BEGIN
  FOREACH parent IN ARRAY ARRAY['pipeline_events', 'provider_calls'] LOOP
    IF pg_relation_size(parent || '_default') = 0 THEN
      FOR n IN 0..2 LOOP
        PERFORM make_partition(parent, (date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month')::date, 3);
      END LOOP;
    END IF;
  END LOOP;
END $$;
