-- What an operator does to many things at once is a row, and each of them an item that is frozen when it is made: so it survives
-- the terminal, and whoever carries it out.
CREATE TABLE ops (
  id uuid PRIMARY KEY,
  org_id uuid,                                             -- whose; null: an operator's, over organisations
  kind text NOT NULL CHECK (kind IN ('redrive', 'cancel', 'investigate', 'resolve', 'abandon', 'reopen')),
  filter jsonb,                                            -- as it was given; null: by ids
  ids uuid[],
  actor text NOT NULL CHECK (actor <> ''),
  user_id uuid,
  reason text,
  options jsonb NOT NULL DEFAULT '{}',                     -- how to redrive, and notes
  rate_per_s double precision CHECK (rate_per_s > 0),      -- null: as fast as it goes
  canary integer NOT NULL DEFAULT 0 CHECK (canary >= 0),   -- so many first; on only if all of them complete
  status text NOT NULL CHECK (status IN ('canary', 'running', 'done', 'aborted', 'failed')),
  status_reason text,
  total integer NOT NULL CHECK (total > 0),
  done integer NOT NULL DEFAULT 0,
  ok integer NOT NULL DEFAULT 0,
  failed integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- not before: the rate
  ended_by_actor text,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  CHECK ((status IN ('done', 'aborted', 'failed')) = (ended_at IS NOT NULL)),
  CHECK (done = ok + failed AND done <= total),
  CHECK (canary = 0 OR kind = 'redrive')
) WITH (fillfactor = 50);
CREATE INDEX ops_live ON ops (next_at) WHERE ended_at IS NULL;
CREATE INDEX ops_org ON ops (org_id, id DESC);

CREATE TABLE op_items (
  op_id uuid NOT NULL,
  n integer NOT NULL,                                      -- from 0, the oldest first
  org_id uuid NOT NULL,
  target_id uuid NOT NULL,                                 -- the dead letter, or the run that is cancelled
  run_id uuid NOT NULL,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ok', 'failed')),
  generation integer,                                      -- the life that a redrive gave its run
  error text,                                              -- why not
  tries smallint NOT NULL DEFAULT 0,
  done_at timestamptz,
  PRIMARY KEY (op_id, n),
  CHECK ((status = 'pending') = (done_at IS NULL)),
  CHECK ((status = 'failed') = (error IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX op_items_pending ON op_items (op_id, tries, n) WHERE status = 'pending';
CREATE INDEX op_items_target ON op_items (target_id);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['ops', 'op_items'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_api USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t || '_api', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_worker USING (true) WITH CHECK (true)', t || '_worker', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_operator USING (true) WITH CHECK (true)', t || '_operator', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO hellosales_api', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hellosales_worker, hellosales_operator', t);
  END LOOP;
END $$;
