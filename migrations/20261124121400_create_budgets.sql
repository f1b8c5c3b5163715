-- What an organisation may use: requests, tokens and cents, a minute and a day. What it has used is counted in windows, under
-- the lock of its budget's row.

CREATE TABLE budgets (
  org_id uuid PRIMARY KEY,
  requests_per_minute bigint CHECK (requests_per_minute >= 0),
  tokens_per_minute bigint CHECK (tokens_per_minute >= 0),
  cents_per_minute numeric(16, 6) CHECK (cents_per_minute >= 0),
  requests_per_day bigint CHECK (requests_per_day >= 0),
  tokens_per_day bigint CHECK (tokens_per_day >= 0),
  cents_per_day numeric(16, 6) CHECK (cents_per_day >= 0),
  is_limited boolean NOT NULL GENERATED ALWAYS AS (num_nonnulls(requests_per_minute, tokens_per_minute, cents_per_minute,
    requests_per_day, tokens_per_day, cents_per_day) > 0) STORED,
  on_exceeded text NOT NULL DEFAULT 'snooze' CHECK (on_exceeded IN ('snooze', 'refuse')),
  is_default boolean NOT NULL DEFAULT false,               -- the settings', as long as nobody has set another
  last_tokens bigint NOT NULL DEFAULT 0,                   -- what the last call could take at most: where that doesn't fit, a
  last_cents numeric(16, 6) NOT NULL DEFAULT 0,            -- submit is refused
  updated_by text NOT NULL CHECK (updated_by <> ''),
  reason text,
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The budget of an organisation that nobody has set one for: the settings of the workers. No row: none.
CREATE TABLE budget_defaults (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  requests_per_minute bigint CHECK (requests_per_minute >= 0),
  tokens_per_minute bigint CHECK (tokens_per_minute >= 0),
  cents_per_minute numeric(16, 6) CHECK (cents_per_minute >= 0),
  requests_per_day bigint CHECK (requests_per_day >= 0),
  tokens_per_day bigint CHECK (tokens_per_day >= 0),
  cents_per_day numeric(16, 6) CHECK (cents_per_day >= 0),
  on_exceeded text NOT NULL DEFAULT 'snooze' CHECK (on_exceeded IN ('snooze', 'refuse')),
  updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What was used within a window: a UTC day, or a slice of five seconds. The last thirteen slices are the minute: they hold
-- whatever began within the last sixty seconds, wherever the clock stands.
CREATE TABLE budget_windows (
  org_id uuid NOT NULL,
  span text NOT NULL CHECK (span IN ('slice', 'day')),
  starts_at timestamptz NOT NULL,
  requests bigint NOT NULL DEFAULT 0,
  tokens bigint NOT NULL DEFAULT 0,                        -- of closed calls
  cents numeric(16, 6) NOT NULL DEFAULT 0,
  reserved_tokens bigint NOT NULL DEFAULT 0,               -- by open calls
  reserved_cents numeric(16, 6) NOT NULL DEFAULT 0,
  before_requests bigint NOT NULL DEFAULT 0,               -- of what is counted above: calls from before there was a budget,
  before_tokens bigint NOT NULL DEFAULT 0,                 -- which nobody gives back
  before_cents numeric(16, 6) NOT NULL DEFAULT 0,
  most_requests bigint,                                    -- the highest limit under which anything was let through here;
  most_tokens bigint,                                      -- null: there was none. A limit that is lowered leaves what is
  most_cents numeric(16, 6),                               -- used already above it
  PRIMARY KEY (org_id, span, starts_at)
) WITH (fillfactor = 50);

-- What a call can use at most, whoever asks; and where it is counted, if its organisation has a budget.
ALTER TABLE provider_calls ADD COLUMN most_tokens bigint NOT NULL DEFAULT 0, ADD COLUMN most_cents numeric(16, 6) NOT NULL DEFAULT 0,
  ADD COLUMN counted_at timestamptz;

-- Why a step is delayed, for people: also of runs without a stream.
ALTER TABLE pipeline_steps ADD COLUMN delay_detail text;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['budgets', 'budget_windows'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_api USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t || '_api', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_worker USING (true) WITH CHECK (true)', t || '_worker', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_operator USING (true) WITH CHECK (true)', t || '_operator', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hellosales_api, hellosales_worker, hellosales_operator', t);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON budget_defaults TO hellosales_worker, hellosales_operator;

-- What stands still for everybody is no secret of anybody's: a run that waits for it says so.
CREATE POLICY pauses_shared ON pauses FOR SELECT TO hellosales_api USING (org_id IS NULL);
