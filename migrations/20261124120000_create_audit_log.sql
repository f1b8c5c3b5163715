-- What operators and administrators did: who, what, to what, and why. Written in the transaction that does it.
CREATE TABLE audit_log (
  id uuid PRIMARY KEY,
  org_id uuid,                                             -- whose things it touched; null: the installation's
  actor text NOT NULL CHECK (actor <> ''),                 -- 'user:<id>', or who typed the command: 'operator:<name>'
  action text NOT NULL CHECK (action <> ''),               -- 'run.cancel', 'dead_letter.redrive', 'lane.pause'
  target_type text NOT NULL,
  target_id text NOT NULL,
  reason text,
  details jsonb NOT NULL DEFAULT '{}',                     -- counts, filters, old and new values; never what people wrote
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX audit_log_org ON audit_log (org_id, id DESC);
CREATE INDEX audit_log_target ON audit_log (target_type, target_id);

-- An entry is never changed, and goes only by retention.
ALTER TABLE audit_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_log FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_log_api ON audit_log TO hellosales_api USING (org_id = current_org()) WITH CHECK (org_id = current_org());
CREATE POLICY audit_log_all ON audit_log TO hellosales_worker, hellosales_operator USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON audit_log TO hellosales_api, hellosales_operator;
GRANT SELECT, INSERT, DELETE ON audit_log TO hellosales_worker;
GRANT DELETE ON audit_log TO hellosales_operator;
