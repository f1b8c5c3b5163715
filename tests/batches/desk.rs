//! What a batch's test sits at: the application, somebody who asks, and the rows.

use hellosales_core::queue::batch::{self, Changed, Looked};
use hellosales_core::{BatchId, Database, OrgId, Role};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::harness::app::TestApp;
use crate::harness::database::{Owner, pools};
use crate::harness::http::{Answer, Client};
use crate::harness::proxy::Proxy;

/// So many answers a worker of these tests works on at once: 8 slots, of which 2 are never for batches.
pub(super) const AT_ONCE: usize = 6;

/// Where a test sits.
pub(super) struct Desk<'a> {
    /// The application.
    pub app: &'a TestApp<'a>,
    /// Who asks.
    pub ana: Client,
    /// Whose batches.
    pub org: OrgId,
    owner: Mutex<Owner>,
}

impl Desk<'_> {
    /// Runs a test at a desk of its own, with no worker yet. At its end every batch has one email for each completed item, and
    /// has cost what its ledger says; and every rule holds.
    pub(super) async fn run(test: impl AsyncFnOnce(&Desk<'_>)) {
        TestApp::run(async |app: &TestApp<'_>| {
            let ana = app.user("One", "Ana");
            let me = ana.get("/auth/me").await.expect(200);
            let org = me["organization"]["id"].as_str().expect("an id").parse().expect("an id");
            let desk = Desk { app, ana, org, owner: Mutex::new(app.db.owner().await) };
            test(&desk).await;
            desk.check().await;
        })
        .await;
    }

    /// Clients of a company each, the oldest first.
    pub(super) async fn clients(&self, count: usize) -> Vec<Uuid> {
        self.clients_of("'Company ' || i", count).await
    }

    /// Clients of the company that this expression of `i` names.
    pub(super) async fn clients_of(&self, company: &str, count: usize) -> Vec<Uuid> {
        self.column(&format!(
            "INSERT INTO clients (id, org_id, name, company, industry, pain_points, goals, created_at)
             SELECT gen_random_uuid(), '{}', 'Person' || i || ' Surname' || i, {company}, 'Retail', '[\"slow answers\"]', '[\"calm\"]',
               now() - interval '1 day' + i * interval '1 ms'
             FROM generate_series(0, {count} - 1) i ORDER BY i RETURNING id",
            self.org
        ))
        .await
    }

    /// Submits a batch for these clients; its id.
    pub(super) async fn submit(&self, clients: &[Uuid], more: Value) -> BatchId {
        let mut body = json!({"client_ids": clients, "email_type": "follow_up"});
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let batch = self.ana.post_once("/email-batches", &body).await.expect(202);
        batch["id"].as_str().expect("an id").parse().expect("an id")
    }

    /// Tells a batch something.
    pub(super) async fn tell(&self, batch: BatchId, what: &str) -> Answer {
        self.ana.post(&format!("/email-batches/{batch}/{what}"), &json!({})).await
    }

    /// A batch as it is shown.
    pub(super) async fn batch(&self, batch: BatchId) -> Value {
        self.ana.get(&format!("/email-batches/{batch}")).await.expect(200)
    }

    /// Waits until a batch stands so.
    pub(super) async fn until(&self, batch: BatchId, status: &str) {
        self.until_true(&format!("SELECT status = '{status}' FROM email_batches WHERE id = '{batch}'")).await;
    }

    /// Waits until the rows say yes.
    pub(super) async fn until_true(&self, sql: &str) {
        self.app.db.owner().await.until(sql).await;
    }

    /// How many items stand so, in the order of this: `waiting admitted completed failed cancelled`.
    pub(super) async fn items(&self, batch: BatchId) -> [i64; 5] {
        let mut counts = [0; 5];
        for (count, status) in counts.iter_mut().zip(["waiting", "admitted", "completed", "failed", "cancelled"]) {
            let sql = format!("SELECT count(*) FROM batch_items WHERE batch_id = '{batch}' AND status = '{status}'");
            *count = self.value(&sql).await;
        }
        counts
    }

    /// The runs of a batch, by their items' places.
    pub(super) async fn runs(&self, batch: BatchId, status: &str) -> Vec<String> {
        let sql = format!(
            "SELECT id::text FROM pipeline_runs WHERE batch_id = '{batch}' AND status = '{status}' ORDER BY batch_n, created_at"
        );
        self.column(&sql).await
    }

    /// How often the provider was asked.
    pub(super) async fn asked(&self) -> usize {
        self.app.provider_log().await.len()
    }

    /// Statements of the owner.
    pub(super) async fn sql(&self, sql: &str) {
        self.owner.lock().await.run(sql).await;
    }

    /// One value.
    pub(super) async fn value<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.owner.lock().await.value(sql).await
    }

    /// A column.
    pub(super) async fn column<T>(&self, sql: &str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.owner.lock().await.column(sql).await
    }

    /// The pools of a worker that works by hand.
    pub(super) fn worker_pools(&self) -> Database {
        self.app.db.pools(Role::Worker)
    }

    /// A proxy in front of the database, and the pools of a role behind it.
    pub(super) async fn behind_proxy(&self, role: Role) -> (Proxy, Database) {
        let proxy = Proxy::start(&self.app.db.url).await;
        let db = pools(&proxy.url(&self.app.db.url), role);
        (proxy, db)
    }

    /// Looks once for something to admit.
    pub(super) async fn admit(&self, db: &Database) -> Looked {
        batch::admit(db, 30_000).await.expect("an answer").0
    }

    /// Admits, and ends what is over, until nothing moves.
    pub(super) async fn admit_all(&self, db: &Database) {
        loop {
            match self.admit(db).await {
                Looked::Idle | Looked::At { moved: 0, .. } => return,
                Looked::At { .. } => {}
                Looked::Ending { batch, org, round } => {
                    let (changed, _) = batch::end(db, org, batch, round).await.expect("an answer");
                    assert_eq!(changed, Changed::Now);
                }
            }
        }
    }

    /// Waits until so many statements stand before a lock.
    pub(super) async fn blocked(&self, n: i64) {
        self.until_true(&format!(
            "SELECT count(*) >= {n} FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ))
        .await;
    }

    /// One email for each item of which a run was completed, its client's; none for others; the cost is the ledger's.
    async fn check(&self) {
        let wrong: Vec<String> = self
            .column(
                "SELECT i.batch_id || ' ' || i.n FROM batch_items i
                 LEFT JOIN LATERAL (SELECT count(*) AS all, count(*) FILTER (WHERE e.client_id = i.client_id) AS theirs FROM sales_emails e
                   WHERE e.batch_id = i.batch_id AND e.batch_n = i.n AND e.is_latest) e ON true
                 WHERE (e.all, e.theirs) IS DISTINCT FROM (CASE WHEN EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.batch_id = i.batch_id
                   AND r.batch_n = i.n AND r.status = 'completed') THEN (1::bigint, 1::bigint) ELSE (0::bigint, 0::bigint) END)",
            )
            .await;
        assert!(wrong.is_empty(), "not one email for each client: {wrong:?}");
        self.until_true("SELECT NOT EXISTS (SELECT 1 FROM provider_calls WHERE completed_at IS NULL AND batch_id IN (SELECT id FROM email_batches WHERE completed_at IS NOT NULL))").await;
        for batch in self.column::<BatchId>("SELECT id FROM email_batches WHERE completed_at IS NOT NULL").await {
            let sql =
                format!("SELECT coalesce(sum(cost_cents), 0)::float8 FROM provider_calls WHERE batch_id = '{batch}'");
            let (shown, paid) =
                (self.batch(batch).await["cost_cents"].as_f64().expect("a cost"), self.value::<f64>(&sql).await);
            assert!((shown - paid).abs() < 1e-9, "{batch}: {shown} is not {paid}");
        }
    }
}
