//! An organisation's data is deleted as the runbook says, and nobody else's.

use super::plant;
use crate::harness::database::TestDatabase;

const PROCEDURE: &str = include_str!("../../../docs/operations/delete-an-organisation.sql");

/// Two organisations with a member of both, and what each has.
const PLANT: &str = "INSERT INTO users (id, auth_provider, auth_subject) SELECT ('0199b000-0000-7000-8000-00000000000' || n)::uuid, 'x', n::text FROM generate_series(1, 3) n;
                 INSERT INTO organization_memberships (id, user_id, org_id) VALUES
                   (gen_random_uuid(), '0199b000-0000-7000-8000-000000000001', '0199a000-0000-7000-8000-000000000001'),
                   (gen_random_uuid(), '0199b000-0000-7000-8000-000000000002', '0199a000-0000-7000-8000-000000000001'),
                   (gen_random_uuid(), '0199b000-0000-7000-8000-000000000002', '0199a000-0000-7000-8000-000000000002'),
                   (gen_random_uuid(), '0199b000-0000-7000-8000-000000000003', '0199a000-0000-7000-8000-000000000002');
                 INSERT INTO products (id, org_id, name) SELECT gen_random_uuid(), id, 'P' FROM organizations;
                 INSERT INTO clients (id, org_id, name) SELECT gen_random_uuid(), id, 'C' FROM organizations;
                 INSERT INTO sessions (id, org_id, user_id, product_id)
                 SELECT gen_random_uuid(), p.org_id, '0199b000-0000-7000-8000-000000000002', p.id FROM products p;
                 INSERT INTO interactions (id, org_id, session_id, role, content, sequence_number)
                 SELECT gen_random_uuid(), org_id, id, 'user', 'hello', 1 FROM sessions;
                 INSERT INTO pipeline_events (id, org_id, pipeline_run_id, event_type) SELECT id, org_id, id, 'pipeline.wide' FROM pipeline_runs;
                 INSERT INTO ops (id, kind, actor, status, total, done, ok, created_at, ended_at)
                 SELECT ('0199c000-0000-7000-8000-00000000000' || n)::uuid, 'cancel', 'operator:dana', 'done', 4 - n, 4 - n, 4 - n, now(), now()
                 FROM generate_series(1, 2) n;
                 INSERT INTO op_items (op_id, n, org_id, target_id, run_id, status, done_at)
                 SELECT '0199c000-0000-7000-8000-000000000001'::uuid, n, ('0199a000-0000-7000-8000-00000000000' || least(2, 1 + n))::uuid, gen_random_uuid(), gen_random_uuid(), 'ok', now()
                 FROM generate_series(0, 2) n
                 UNION ALL SELECT '0199c000-0000-7000-8000-000000000002'::uuid, n, '0199a000-0000-7000-8000-000000000001'::uuid, gen_random_uuid(), gen_random_uuid(), 'ok', now()
                 FROM generate_series(0, 1) n;
                 SET hs.org = 'org_acme'; SET hs.actor = 'operator:dana'; SET hs.reason = 'GDPR-12'";

/// The statements, one by one: an empty line ends one.
fn statements() -> impl Iterator<Item = &'static str> {
    PROCEDURE
        .split("\n\n")
        .filter(|statement| statement.lines().any(|line| !line.is_empty() && !line.starts_with("--")))
}

#[tokio::test]
async fn all_of_an_organisation_goes_and_nothing_of_another() {
    TestDatabase::run_unchecked(async |db| {
        plant(db).await;
        let mut owner = db.owner().await;
        owner.run(PLANT).await;
        let refused = owner.attempt(statements().next().expect("a first")).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("still alive")), "queued runs are alive");
        owner
            .run("DELETE FROM pipeline_steps WHERE status = 'ready'; UPDATE pipeline_runs SET status = 'cancelled', completed_at = now() WHERE status = 'queued'")
            .await;
        for statement in statements() {
            owner.run(statement).await;
        }
        let tables: Vec<String> = owner
            .rows("SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
                   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace")
            .await
            .iter()
            .map(|row| sqlx::Row::get(row, 0))
            .collect();
        assert!(tables.len() > 20, "{tables:?}");
        for table in &tables {
            let left: i64 =
                owner.value(&format!("SELECT count(*) FROM {table} WHERE org_id = '0199a000-0000-7000-8000-000000000001'")).await;
            assert_eq!(left, 0, "{table}");
        }
        for (what, count) in [
            ("organizations", 1_i64),
            ("users", 2),
            ("organization_memberships", 2),
            ("pipeline_runs", 12),
            ("pipeline_events", 12),
            ("products", 1),
            ("interactions", 1),
            ("ops", 1),
            ("ops WHERE total = 2 AND done = 2 AND ok = 2", 1),
            ("audit_log WHERE action = 'organization.delete' AND reason = 'GDPR-12'", 1),
        ] {
            let found: i64 = owner.value(&format!("SELECT count(*) FROM {what}")).await;
            assert_eq!(found, count, "{what}");
        }
    })
    .await;
}
