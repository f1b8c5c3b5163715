-- Clients by file: where the rows wait until all have come, and by what a client is known again.

-- Columns, not indexes on expressions: under row-level security an index serves a comparison only if nothing in it could leak
-- what it sees, and lower() might.
ALTER TABLE clients
  ADD COLUMN email_key text GENERATED ALWAYS AS (lower(email)) STORED,
  ADD COLUMN person_key uuid NOT NULL GENERATED ALWAYS AS (md5(lower(name) || E'\x1f' || lower(coalesce(company, '')))::uuid) STORED;
CREATE INDEX clients_email_key ON clients (org_id, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX clients_person_key ON clients (org_id, person_key);

-- What was wrong with a file, for whoever asks later: the first faults, and the columns that mean nothing to us.
ALTER TABLE client_imports
  ADD COLUMN errors jsonb NOT NULL DEFAULT '[]',
  ADD COLUMN ignored_columns jsonb NOT NULL DEFAULT '[]';

-- Rows of a file on its way in. They go when it is applied or refused; those that a crash left behind go by the age of their import.
CREATE TABLE client_import_rows (
  org_id uuid NOT NULL,
  import_id uuid NOT NULL,
  n integer NOT NULL,                                      -- its place in the file, from 0
  person integer NOT NULL,                                 -- the n of the first row that tells of the same client
  client_id uuid NOT NULL,                                 -- of the client that it makes, if it makes one
  external_id text,
  email_key text,
  person_key uuid NOT NULL,
  cells jsonb NOT NULL,                                    -- what the row says, by column; what it leaves empty isn't there
  PRIMARY KEY (import_id, n)
);

-- One import of an organisation is applied at a time: its transaction holds this row, so that two don't make doubles.
CREATE TABLE client_import_turns (
  org_id uuid PRIMARY KEY REFERENCES organizations (id) ON DELETE RESTRICT
);

-- Objects laid over one another, the later on top.
CREATE AGGREGATE jsonb_overlay(jsonb) (SFUNC = jsonb_concat, STYPE = jsonb, INITCOND = '{}');

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['client_import_rows', 'client_import_turns'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_api USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t || '_api', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_worker, hellosales_operator USING (true) WITH CHECK (true)', t || '_all', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hellosales_api, hellosales_worker, hellosales_operator', t);
  END LOOP;
END $$;
