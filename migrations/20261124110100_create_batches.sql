-- Batches: one email for each client of a list. A list is accepted as items; admission makes their runs, a window at a time.

CREATE TABLE email_batches (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE RESTRICT,
  name varchar(255),
  status text NOT NULL CHECK (status IN ('running', 'paused', 'awaiting_approval', 'cancelling', 'completed', 'cancelled')),
  paused_from text CHECK (paused_from IN ('running', 'awaiting_approval')),  -- comes back with resume: a pause skips no approval
  waiting jsonb,                                           -- the contract's: why it doesn't move
  round integer NOT NULL DEFAULT 1,                        -- grows with each retry of the failed
  product_id uuid,
  email_type varchar(50) NOT NULL CHECK (email_type IN ('cold_outreach', 'follow_up', 'proposal', 'closing', 'general')),
  instructions text,
  quality_mode text NOT NULL DEFAULT 'balanced' CHECK (quality_mode IN ('fast', 'balanced', 'quality')),
  filter jsonb,                                            -- as it was given; the clients are frozen in the items
  import_id uuid,
  sample integer CHECK (sample > 0),                       -- so many first; null: all at once
  is_approved boolean NOT NULL,                            -- items beyond the sample may be admitted
  max_cost_cents numeric(16, 6) CHECK (max_cost_cents > 0),
  estimated_cost_cents numeric(16, 6) NOT NULL,
  total integer NOT NULL CHECK (total > 0),
  skipped_duplicates integer NOT NULL DEFAULT 0,
  skipped_inactive integer NOT NULL DEFAULT 0,
  created_by uuid,
  request_id varchar(100),
  traceparent text,
  admitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- when admission last looked at it
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at timestamptz,
  UNIQUE (org_id, id),
  CHECK ((status = 'paused') = (paused_from IS NOT NULL)),
  CHECK ((status IN ('completed', 'cancelled')) = (completed_at IS NOT NULL)),
  FOREIGN KEY (org_id, product_id) REFERENCES products (org_id, id) ON DELETE SET NULL (product_id)
) WITH (fillfactor = 70);
CREATE INDEX email_batches_admission ON email_batches (admitted_at) WHERE status IN ('running', 'cancelling');
CREATE INDEX email_batches_list ON email_batches (org_id, created_at DESC, id DESC);
CREATE INDEX email_batches_product ON email_batches (org_id, product_id) WHERE product_id IS NOT NULL;

CREATE TABLE batch_items (
  org_id uuid NOT NULL,
  batch_id uuid NOT NULL,
  n integer NOT NULL,                                      -- its place in the list, from 0
  client_id uuid NOT NULL,                                 -- no foreign key: ten thousand are accepted at once, and clients are never deleted
  status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'admitted', 'completed', 'failed', 'cancelled')),
  run_id uuid,                                             -- of a waiting one: to be redriven
  sampled boolean NOT NULL DEFAULT false,
  cost_cents numeric(16, 6) NOT NULL DEFAULT 0,            -- of its ended runs
  warnings smallint NOT NULL DEFAULT 0,
  ended_at timestamptz,
  PRIMARY KEY (batch_id, n),
  UNIQUE (batch_id, client_id),
  CHECK ((status IN ('completed', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
  CHECK (status NOT IN ('admitted', 'completed', 'failed') OR run_id IS NOT NULL)
) WITH (fillfactor = 70);
CREATE INDEX items_waiting ON batch_items (batch_id, n) WHERE status = 'waiting';
CREATE INDEX items_admitted ON batch_items (batch_id) WHERE status = 'admitted';
CREATE INDEX items_ended ON batch_items (batch_id, ended_at, n) WHERE ended_at IS NOT NULL;

-- What a batch may cost, in a row of its own: calls reserve here while admission holds the batch.
CREATE TABLE batch_budgets (
  batch_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  max_cost_cents numeric(16, 6) NOT NULL,
  spent_cents numeric(16, 6) NOT NULL DEFAULT 0,
  reserved_cents numeric(16, 6) NOT NULL DEFAULT 0 CHECK (reserved_cents >= 0)
) WITH (fillfactor = 50);

-- What a call may cost at most, taken from its batch's budget until it is closed.
ALTER TABLE provider_calls ADD COLUMN reserved_cents numeric(16, 6) NOT NULL DEFAULT 0, ADD COLUMN batch_id uuid;

-- An event may be a batch's.
ALTER TABLE pipeline_events ADD COLUMN batch_id uuid, ALTER COLUMN pipeline_run_id DROP NOT NULL,
  ADD CONSTRAINT pipeline_events_of_something CHECK (pipeline_run_id IS NOT NULL OR batch_id IS NOT NULL);
CREATE INDEX pipeline_events_batch ON pipeline_events (batch_id) WHERE batch_id IS NOT NULL;

-- What stands still: a lane, a pipeline, an organisation, a batch. The first two are of no organisation.
CREATE TABLE pauses (
  scope text NOT NULL CHECK (scope IN ('lane', 'pipeline', 'org', 'batch')),
  key text NOT NULL,
  org_id uuid CHECK ((scope IN ('org', 'batch')) = (org_id IS NOT NULL)),
  actor text NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  until timestamptz,
  PRIMARY KEY (scope, key)
);
CREATE INDEX steps_paused ON pipeline_steps (run_id) WHERE held_by = 'pause';
CREATE INDEX pipeline_runs_batch ON pipeline_runs (batch_id, batch_n) WHERE batch_id IS NOT NULL;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['email_batches', 'batch_items', 'batch_budgets', 'pauses'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_api USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t || '_api', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_worker USING (true) WITH CHECK (true)', t || '_worker', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_operator USING (true) WITH CHECK (true)', t || '_operator', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hellosales_api, hellosales_worker, hellosales_operator', t);
  END LOOP;
END $$;
