-- Breakers and limits of the providers' models: one of each for all workers.

-- Whether an (operation, provider, model) may be called. Open: by nobody but one probe at a time, and that not before `until`.
CREATE TABLE breakers (
  operation text NOT NULL CHECK (operation IN ('llm', 'stt', 'tts', 'embedding')),
  provider text NOT NULL,
  model text NOT NULL,
  status text NOT NULL DEFAULT 'closed' CHECK (status IN ('closed', 'open')),
  until timestamptz,                                       -- when a probe may go; null while open: not before somebody resets it
  effective_at timestamptz,                                -- nobody opens a call after it who has not seen that it is open
  probe uuid,                                              -- the fence of the probe that is under way
  probe_until timestamptz,                                 -- its lease: then another may go
  closed_at timestamptz,                                   -- what failed before does not count any more
  actor text,                                              -- who tripped it; null: its failures
  reason text,
  PRIMARY KEY (operation, provider, model),
  CHECK (status = 'open' OR (until, effective_at, probe, actor, reason) IS NOT DISTINCT FROM (NULL, NULL, NULL, NULL, NULL)),
  CHECK ((probe IS NULL) = (probe_until IS NULL))
) WITH (fillfactor = 50);

-- What became of calls, a row for each group that was closed: written with it, so that nothing is counted twice or forgotten.
CREATE TABLE breaker_counts (
  operation text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  calls integer NOT NULL CHECK (calls > 0),
  failures integer NOT NULL CHECK (failures BETWEEN 0 AND calls)
);
CREATE INDEX breaker_counts_window ON breaker_counts (operation, provider, model, at);
CREATE INDEX breaker_counts_age ON breaker_counts (at);

-- When a breaker was open, from when that held for everybody until it was closed.
CREATE TABLE breaker_events (
  id uuid PRIMARY KEY,
  operation text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  opened_at timestamptz NOT NULL,
  closed_at timestamptz,
  actor text,
  reason text,
  CHECK (closed_at >= opened_at)
);
CREATE UNIQUE INDEX breaker_events_open ON breaker_events (operation, provider, model) WHERE closed_at IS NULL;
CREATE INDEX breaker_events_list ON breaker_events (opened_at);

-- How often a model may be called. `…_tat` is the theoretical arrival time of GCRA: how far what was drawn reaches.
CREATE TABLE limits (
  provider text NOT NULL,
  model text NOT NULL,
  requests_per_minute integer CHECK (requests_per_minute > 0),
  request_burst integer CHECK (request_burst > 0),
  requests_tat timestamptz,
  tokens_per_minute integer CHECK (tokens_per_minute > 0),
  token_burst integer CHECK (token_burst > 0),
  tokens_tat timestamptz,
  set_by text,                                             -- who set it at the terminal; null: a file of the workers
  paused_until timestamptz,                                -- the provider said 429
  requests_left bigint,                                    -- as the provider told, last
  tokens_left bigint,
  told_at timestamptz,
  PRIMARY KEY (provider, model)
) WITH (fillfactor = 50);

-- A call that was made while its breaker was open, to see: the fence that it was made under.
ALTER TABLE provider_calls ADD COLUMN probe uuid;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['breakers', 'breaker_counts', 'breaker_events', 'limits'] LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hellosales_worker, hellosales_operator', t);
  END LOOP;
END $$;
GRANT SELECT ON breakers, limits TO hellosales_api;
