//! Who sees what: row-level security on every table that holds anything of an organisation, and roles that are
//! nobody's superuser.

use std::collections::BTreeSet;

use hellosales_core::database::Tx;
use hellosales_core::{Database, OrgId, Role};

use crate::harness::database::{Owner, TestDatabase};

/// Tables without an `org_id`, and why.
const OF_NO_ORGANISATION: &[(&str, &str)] = &[
    ("organizations", "the organisations themselves: a token's is found before app.org_id is known"),
    ("users", "a person may be of several organisations"),
    ("workers", "processes serve all organisations"),
    ("leases", "duties of processes"),
    ("pauses", "a lane's or a pipeline's is of no organisation; the api sees those, and its own organisation's"),
    ("budget_defaults", "the settings' budget, for all organisations that have none of their own"),
    ("breakers", "a provider is down for everybody"),
    ("breaker_counts", "what became of calls of all organisations, without a word of whose"),
    ("breaker_events", "when a provider was down"),
    ("limits", "a provider's limits are the installation's; an organisation's are its budgets"),
    ("retention_marks", "how far duties have come that serve all organisations"),
    ("ops", "an operator's is over organisations; the api sees those of its own only, and each item names its own"),
    (
        "audit_log",
        "what is done to a lane, a provider or the installation is of no organisation; the api sees its own entries only",
    ),
    ("_sqlx_migrations", "the migrator's"),
];

const ROLES: &str = "'hellosales_api', 'hellosales_worker', 'hellosales_fanout', 'hellosales_operator'";

#[tokio::test]
async fn every_table_is_of_an_organisation_under_forced_row_level_security_or_listed_here() {
    TestDatabase::run(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        let listed: BTreeSet<String> = OF_NO_ORGANISATION.iter().map(|&(table, _)| table.to_owned()).collect();
        let without_org: BTreeSet<String> = owner
            .column(
                "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                 AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id' AND a.attnotnull)",
            )
            .await
            .into_iter()
            .collect();
        // The template carries no ledger of migrations if another tool made it.
        assert_eq!(without_org, listed.iter().filter(|table| without_org.contains(*table)).cloned().collect());
        assert!(listed.difference(&without_org).all(|table| table == "_sqlx_migrations"));

        let open: Vec<String> = owner
            .column(
                "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)",
            )
            .await;
        assert!(open.is_empty(), "without forced row-level security: {open:?}");
        let unchecked: Vec<String> = owner
            .column(
                "SELECT tablename || '.' || policyname FROM pg_policies
                 WHERE schemaname = 'public' AND cmd IN ('ALL', 'INSERT', 'UPDATE') AND with_check IS NULL",
            )
            .await;
        assert!(unchecked.is_empty(), "without WITH CHECK: {unchecked:?}");
    })
    .await;
}

/// Foreign keys whose columns are not the first ones of an index.
const KEYS_WITHOUT_INDEX: &str = "SELECT c.conrelid::regclass || ' ' || c.conname FROM pg_constraint c
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND c.conparentid = 0
      AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid
        AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
        AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) LIKE '%IS NOT NULL%'))";

#[tokio::test]
async fn every_foreign_key_has_an_index() {
    TestDatabase::run(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        let bare: Vec<String> = owner.column(KEYS_WITHOUT_INDEX).await;
        assert!(bare.is_empty(), "{bare:?}");
        owner.run("DROP INDEX summary_states_session").await;
        assert_eq!(owner.column::<String>(KEYS_WITHOUT_INDEX).await.len(), 1, "the question has teeth");
    })
    .await;
}

#[tokio::test]
async fn no_role_is_superuser_owner_or_above_row_level_security() {
    TestDatabase::run(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        let mighty: Vec<String> = owner
            .column(&format!(
                "SELECT rolname::text FROM pg_roles WHERE rolname IN ({ROLES})
                 AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication)"
            ))
            .await;
        assert!(mighty.is_empty(), "{mighty:?}");
        assert_eq!(owner.value::<i64>(&format!("SELECT count(*) FROM pg_roles WHERE rolname IN ({ROLES})")).await, 4);
        let owned: Vec<String> = owner
            .column(&format!("SELECT c.relname::text FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname IN ({ROLES})"))
            .await;
        assert!(owned.is_empty(), "{owned:?}");
        let creators: Vec<String> = owner
            .column(&format!("SELECT rolname::text FROM pg_roles WHERE rolname IN ({ROLES}) AND has_schema_privilege(rolname, 'public', 'CREATE')"))
            .await;
        assert!(creators.is_empty(), "{creators:?}");
    })
    .await;
}

/// Two organisations with a row in every table that has one.
async fn two_organisations(owner: &mut Owner) -> [OrgId; 2] {
    let orgs = [OrgId::new(), OrgId::new()];
    for org in orgs {
        owner
            .run(&format!(
                "INSERT INTO organizations (id, external_id, name) VALUES ('{org}', '{org}', 'x');
                 INSERT INTO users (id, auth_provider, auth_subject) VALUES ('{org}', 'test', '{org}');
                 INSERT INTO organization_memberships (id, user_id, org_id) VALUES ('{org}', '{org}', '{org}');
                 INSERT INTO company_profiles (id, org_id) VALUES ('{org}', '{org}');
                 INSERT INTO products (id, org_id, name) VALUES ('{org}', '{org}', 'x');
                 INSERT INTO clients (id, org_id, name) VALUES ('{org}', '{org}', 'x');
                 INSERT INTO sessions (id, org_id, user_id) VALUES ('{org}', '{org}', '{org}');
                 INSERT INTO interactions (id, org_id, session_id, role, sequence_number) VALUES ('{org}', '{org}', '{org}', 'user', 1);
                 UPDATE sessions SET interaction_count = 1;
                 INSERT INTO session_summaries (id, org_id, session_id, run_id, version, summary_text, cutoff_sequence)
                   VALUES ('{org}', '{org}', '{org}', '{org}', 1, 'x', 1);
                 INSERT INTO summary_states (session_id, org_id) VALUES ('{org}', '{org}');
                 INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, input, stream, made)
                   VALUES ('{org}', '{org}', 'summary', 'summary@1', 'standard', 'summary', 1, 1, 1, '{{}}', false, 1);
                 INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, deadline_at, timeout_ms, max_attempts)
                   VALUES ('{org}', 0, 'summary@1/history_enrich', '{org}', 1, 1, 'ready', now(), 1, 1);
                 INSERT INTO run_stream (run_id, seq, org_id, event, data) VALUES ('{org}', 0, '{org}', 'x', '{{}}');
                 INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type) VALUES ('{org}', '{org}', '{org}', 'x');
                 INSERT INTO provider_calls (id, org_id, service, operation, provider, pipeline_run_id, stage, attempt, lease_token)
                   VALUES ('{org}', '{org}', 'x', 'llm', 'x', '{org}', 0, 1, '{org}');
                 INSERT INTO dead_letter_queue (id, org_id, pipeline_run_id, generation, error_type, context_snapshot)
                   VALUES ('{org}', '{org}', '{org}', 1, 'x', '{{}}');
                 INSERT INTO org_lanes (org_id, lane, tail) VALUES ('{org}', 1, 1);
                 INSERT INTO client_imports (id, org_id, mode, created, updated, unchanged, rejected)
                   VALUES ('{org}', '{org}', 'keep_good', 1, 0, 0, 0);
                 INSERT INTO client_import_members (org_id, import_id, n, client_id) VALUES ('{org}', '{org}', 0, '{org}');
                 INSERT INTO sales_scripts (id, script_id, org_id, name, content, origin) VALUES ('{org}', '{org}', '{org}', 'x', 'x', 'manual');
                 INSERT INTO sales_emails (id, email_id, org_id, name, subject, body, origin) VALUES ('{org}', '{org}', '{org}', 'x', 'x', 'x', 'manual');
                 INSERT INTO email_batches (id, org_id, status, email_type, is_approved, estimated_cost_cents, total)
                   VALUES ('{org}', '{org}', 'running', 'general', true, 0, 1);
                 INSERT INTO batch_items (org_id, batch_id, n, client_id) VALUES ('{org}', '{org}', 0, '{org}');
                 INSERT INTO batch_budgets (batch_id, org_id, max_cost_cents) VALUES ('{org}', '{org}', 1);
                 INSERT INTO budgets (org_id, updated_by) VALUES ('{org}', 'x');
                 INSERT INTO budget_windows (org_id, span, starts_at) VALUES ('{org}', 'day', now() - interval '30 days');
                 INSERT INTO pauses (scope, key, org_id, actor, reason) VALUES ('batch', '{org}', '{org}', 'x', 'x');
                 INSERT INTO audit_log (id, org_id, actor, action, target_type, target_id) VALUES ('{org}', '{org}', 'x', 'x', 'x', 'x');
                 INSERT INTO ops (id, org_id, kind, actor, status, total) VALUES ('{org}', '{org}', 'resolve', 'x', 'running', 1);
                 INSERT INTO op_items (op_id, n, org_id, target_id, run_id) VALUES ('{org}', 0, '{org}', '{org}', '{org}');
                 INSERT INTO client_import_rows (org_id, import_id, n, person, client_id, person_key, cells)
                   VALUES ('{org}', '{org}', 0, 0, '{org}', '{org}', '{{}}');
                 INSERT INTO client_import_turns (org_id) VALUES ('{org}');
                 INSERT INTO idempotency_keys (org_id, key, route, body_sha256, object, object_id) VALUES ('{org}', 'k', 'x', '', 'run', '{org}')"
            ))
            .await;
    }
    orgs
}

async fn tables(owner: &mut Owner) -> Vec<String> {
    owner
        .column(
            "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1",
        )
        .await
}

async fn seen(tx: &mut Tx, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
        .fetch_one(tx.connection())
        .await
        .unwrap_or_else(|error| panic!("{table}: {error}"))
}

/// How many rows of a table a role sees inside an organisation, and outside of any.
async fn sees(db: &Database, org: OrgId, table: &str) -> (i64, i64) {
    let mut tx = db.begin().await.expect("a transaction");
    let outside = seen(&mut tx, table).await;
    tx.enter(org).await.expect("entered");
    (seen(&mut tx, table).await, outside)
}

#[tokio::test]
async fn the_api_sees_one_organisation_and_nothing_outside_of_any() {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        let [one, two] = two_organisations(&mut owner).await;
        let api = db.pools(Role::Api);
        for table in tables(&mut owner).await {
            assert_eq!(
                owner.value::<i64>(&format!("SELECT count(*) FROM {table}")).await,
                2,
                "{table} has a row of each"
            );
            assert_eq!(sees(&api, one, &table).await, (1, 0), "{table}");
            if table == "audit_log" {
                // Nobody changes an entry: there is no right to be tried.
                continue;
            }
            // Nor can it write into another's, or make its own another's.
            let mut tx = api.begin().await.expect("a transaction");
            tx.enter(one).await.expect("entered");
            let steal = format!("UPDATE {table} SET org_id = '{one}' WHERE org_id = '{two}'");
            let stolen = sqlx::query(sqlx::AssertSqlSafe(steal)).execute(tx.connection()).await;
            if table == "audit_log" {
                stolen.expect_err("an entry is never changed");
                continue;
            }
            assert_eq!(stolen.expect("nothing to see").rows_affected(), 0, "{table}");
            let give = format!("UPDATE {table} SET org_id = '{two}'");
            sqlx::query(sqlx::AssertSqlSafe(give)).execute(tx.connection()).await.expect_err(&table);
        }
        for table in ["organizations", "users", "leases"] {
            let mut tx = api.begin().await.expect("a transaction");
            let read = format!("SELECT count(*) FROM {table}");
            sqlx::query(sqlx::AssertSqlSafe(read)).execute(tx.connection()).await.expect_err(table);
        }
    })
    .await;
}

#[tokio::test]
async fn the_worker_serves_all_organisations_on_the_queue_and_one_at_a_time_on_content() {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        let [one, _] = two_organisations(&mut owner).await;
        let worker = db.pools(Role::Worker);
        let content = [
            "organization_memberships",
            "company_profiles",
            "products",
            "clients",
            "sessions",
            "interactions",
            "session_summaries",
            "summary_states",
            "client_imports",
            "client_import_members",
            "sales_scripts",
            "sales_emails",
        ];
        for table in tables(&mut owner).await {
            let expected = if content.contains(&table.as_str()) { (1, 0) } else { (2, 2) };
            assert_eq!(sees(&worker, one, &table).await, expected, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_fanout_reads_the_stream_and_nothing_else() {
    TestDatabase::run_unchecked(async |db: &TestDatabase| {
        let mut owner = db.owner().await;
        two_organisations(&mut owner).await;
        let fanout = db.pools(Role::Fanout);
        let mut tx = fanout.begin().await.expect("a transaction");
        assert_eq!(seen(&mut tx, "run_stream").await, 2);
        drop(tx);
        for sql in ["DELETE FROM run_stream", "SELECT 1 FROM pipeline_runs", "SELECT 1 FROM interactions"] {
            let mut tx = fanout.begin().await.expect("a transaction");
            sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(tx.connection()).await.expect_err(sql);
        }
    })
    .await;
}
