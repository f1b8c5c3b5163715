-- Deletes all that an organisation has, and the people who belong to no other. As the owner of the schema:
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -c "SET hs.org = 'org_…'" -c "SET hs.actor = 'operator:dana'" \
--     -c "SET hs.reason = 'GDPR-12'" -f docs/operations/delete-an-organisation.sql
-- In groups of 5,000 rows, each committed; run again after a failure, it goes on where it was. An empty line ends a statement.

-- Whom it means, and that nothing of it is alive any more.
DO $$
DECLARE org organizations%ROWTYPE; live bigint;
BEGIN
  SELECT * INTO org FROM organizations WHERE external_id = current_setting('hs.org') OR id::text = current_setting('hs.org');
  IF org.id IS NULL THEN RAISE EXCEPTION 'there is no organisation %', current_setting('hs.org'); END IF;
  IF current_setting('hs.actor') = '' OR current_setting('hs.reason') = '' THEN RAISE EXCEPTION 'who deletes it, and why?'; END IF;
  PERFORM set_config('hs.org_id', org.id::text, false);
  SET LOCAL ROLE hellosales_operator;
  SELECT count(*) INTO live FROM pipeline_steps WHERE org_id = org.id AND (status IN ('ready', 'running', 'delayed') OR held_by IN ('turn', 'pause'));
  IF live > 0 THEN RAISE EXCEPTION '% steps of it are still alive: cancel its batches and runs first', live; END IF;
END $$;

-- Who belongs to it.
CREATE TEMPORARY TABLE IF NOT EXISTS leaving (user_id uuid PRIMARY KEY);

GRANT ALL ON leaving TO hellosales_operator;

SET ROLE hellosales_operator;

INSERT INTO leaving SELECT user_id FROM organization_memberships WHERE org_id = current_setting('hs.org_id')::uuid ON CONFLICT DO NOTHING;

-- Every table that has an org_id, whichever they are by now. What others refer to waits for the next round.
DO $$
DECLARE t text; gone bigint; waits boolean;
BEGIN
  FOR round IN 1..20 LOOP
    waits := false;
    FOR t IN
      SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'organizations'
        AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped)
      ORDER BY c.relname
    LOOP
      LOOP
        BEGIN
          EXECUTE format('DELETE FROM public.%I WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM public.%I WHERE org_id = $1 LIMIT 5000)', t, t)
            USING current_setting('hs.org_id')::uuid;
          GET DIAGNOSTICS gone = ROW_COUNT;
        EXCEPTION WHEN foreign_key_violation THEN
          gone := 0;
          waits := true;
        END;
        COMMIT;
        EXIT WHEN gone = 0;
      END LOOP;
    END LOOP;
    EXIT WHEN NOT waits;
  END LOOP;
  IF waits THEN RAISE EXCEPTION 'rows of it are still referred to by others'; END IF;
END $$;

RESET ROLE;

-- What has no org_id: the organisation itself, and its people.
DO $$
BEGIN
  DELETE FROM organizations WHERE id = current_setting('hs.org_id')::uuid;
  SET LOCAL ROLE hellosales_operator;
  DELETE FROM leaving l USING organization_memberships m WHERE m.user_id = l.user_id;
  INSERT INTO audit_log (id, org_id, actor, action, target_type, target_id, reason)
  VALUES (gen_random_uuid(), NULL, current_setting('hs.actor'), 'organization.delete', 'organization', current_setting('hs.org_id'), current_setting('hs.reason'));
  RESET ROLE;
  UPDATE dead_letter_queue SET resolved_by = NULL WHERE resolved_by IN (SELECT user_id FROM leaving);
  DELETE FROM users u USING leaving l WHERE u.id = l.user_id;
END $$;

DROP TABLE leaving;
