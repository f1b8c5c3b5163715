-- Who may touch what. Roles belong to the cluster, and many databases of one cluster may be migrated at once.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['hellosales_api', 'hellosales_worker', 'hellosales_fanout', 'hellosales_operator'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = r) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', r);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
      END;
    END IF;
    IF NOT pg_has_role(current_user, r, 'MEMBER') THEN
      EXECUTE format('GRANT %I TO CURRENT_USER', r);
    END IF;
  END LOOP;
END $$;

GRANT USAGE ON SCHEMA public TO hellosales_api, hellosales_worker, hellosales_fanout, hellosales_operator;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

CREATE FUNCTION current_org() RETURNS uuid LANGUAGE sql STABLE AS $$
  SELECT nullif(current_setting('app.org_id', true), '')::uuid   -- the setting reverts to '' after a transaction
$$;

-- The second wall: forced row-level security on every table that holds anything of an organisation.
-- The worker serves all organisations on the queue's own tables, and one at a time on content.
DO $$
DECLARE
  t text;
  every_org text[] := ARRAY['pipeline_runs', 'pipeline_steps', 'run_stream', 'pipeline_events', 'provider_calls',
                            'dead_letter_queue', 'org_lanes', 'idempotency_keys'];
  one_org text[] := ARRAY['organization_memberships', 'company_profiles', 'products', 'clients', 'sessions', 'interactions',
                          'session_summaries', 'summary_states'];
BEGIN
  FOREACH t IN ARRAY every_org || one_org || ARRAY['pipeline_events_default', 'provider_calls_default'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
  END LOOP;
  FOREACH t IN ARRAY every_org || one_org LOOP
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_api USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t || '_api', t);
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_operator USING (true) WITH CHECK (true)', t || '_operator', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO hellosales_api, hellosales_worker, hellosales_operator', t);
  END LOOP;
  FOREACH t IN ARRAY every_org LOOP
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_worker USING (true) WITH CHECK (true)', t || '_worker', t);
  END LOOP;
  FOREACH t IN ARRAY one_org LOOP
    EXECUTE format('CREATE POLICY %I ON %I TO hellosales_worker USING (org_id = current_org()) WITH CHECK (org_id = current_org())', t || '_worker', t);
  END LOOP;
END $$;
-- The owner is not above its own tables; `sign_in` runs as the owner and writes memberships of the organisation it was told.
CREATE POLICY organization_memberships_sign_in ON organization_memberships TO CURRENT_USER USING (true) WITH CHECK (true);

CREATE POLICY run_stream_fanout ON run_stream FOR SELECT TO hellosales_fanout USING (true);
GRANT SELECT ON run_stream TO hellosales_fanout;

GRANT SELECT, INSERT, UPDATE, DELETE ON workers, leases TO hellosales_worker, hellosales_operator;
GRANT SELECT ON workers TO hellosales_api;
GRANT SELECT, UPDATE ON SEQUENCE queue_v_0, queue_v_1, queue_v_2 TO hellosales_worker, hellosales_operator;
GRANT SELECT ON SEQUENCE queue_v_0, queue_v_1, queue_v_2 TO hellosales_api;
GRANT SELECT ON organizations, users TO hellosales_operator;
GRANT EXECUTE ON FUNCTION sign_in TO hellosales_api;

-- The members of the caller's organisation: all that the api and the worker see of users.
CREATE VIEW org_members AS
  SELECT m.org_id, u.id AS user_id, u.email, u.display_name, u.avatar_url, m.role, o.name AS org_name
  FROM organization_memberships m JOIN users u ON u.id = m.user_id JOIN organizations o ON o.id = m.org_id
  WHERE m.org_id = current_org();
GRANT SELECT ON org_members TO hellosales_api, hellosales_worker, hellosales_operator;
