//! The bench that a queue's test works at: an organisation, pipelines, and hands that claim and settle.

use std::sync::Arc;

use hellosales_core::dead_letter::Automatic;
use hellosales_core::pipeline::{CHAT, Pipeline, PipelineInput, SUMMARY, enrich, guard, transform, work};
use hellosales_core::queue::claim::{self, ClaimRequest};
use hellosales_core::queue::settle::{self, Report, SettleOptions, Settled};
use hellosales_core::queue::submit::{self, NewRun};
use hellosales_core::queue::turn::{self, AcceptedTurn, NewTurn, TurnError};
use hellosales_core::queue::{ClaimedStep, End, Pauses, Settlement, Shapes, lease};
use hellosales_core::run::{Lane, QualityMode};
use hellosales_core::{Database, DatabaseError, LeaseToken, OrgId, Role, RunId, SessionId, UserId, WorkerId};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::ends::{ok, result};
use crate::harness::check;
use crate::harness::database::{Owner, TestDatabase};

/// Two branches that meet: a, then b and c, then d.
pub(crate) static DIAMOND: Pipeline = Pipeline::new(
    "diamond",
    1,
    Lane::Standard,
    &[enrich("a"), transform("b").needs(&["a"]), transform("c").needs(&["a"]), work("d").needs(&["b", "c"])],
);

/// A model's answer, and what follows it.
pub(crate) static LINE: Pipeline = Pipeline::new(
    "line",
    1,
    Lane::Standard,
    &[transform("write"), guard("judge").needs(&["write"]), work("keep").needs(&["judge"])],
);

/// A diamond's input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cut {}

impl PipelineInput for Cut {
    const PIPELINE: &'static Pipeline = &DIAMOND;
}

const LEASE_MS: i64 = 60_000;

/// What a test stands at.
pub(crate) struct Bench<'a> {
    /// Its database.
    pub db: &'a TestDatabase,
    /// The pools of an api.
    pub api: Database,
    /// The organisation.
    pub org: OrgId,
    /// Its user.
    pub user: UserId,
    owner: Mutex<Owner>,
}

/// A worker: hands that claim and settle when the test says so.
pub(crate) struct Hand {
    /// Its id.
    pub worker: WorkerId,
    /// Its pools.
    pub db: Database,
    shapes: Shapes,
    hand_over: bool,
    /// What is redriven by itself.
    pub automatic: Automatic,
}

impl Bench<'_> {
    /// Runs a test at a bench of its own; at its end all rules hold that hold at any instant.
    pub(crate) async fn run(test: impl AsyncFnOnce(&Bench<'_>)) {
        TestDatabase::run_unchecked(async |db: &TestDatabase| {
            let bench = Bench::at(db).await;
            test(&bench).await;
            bench.check().await;
        })
        .await;
    }

    /// A bench in this database, whose rows the test itself checks.
    pub(crate) async fn at(db: &TestDatabase) -> Bench<'_> {
        let (org, user) = (OrgId::new(), UserId::new());
        let mut owner = db.owner().await;
        owner
            .run(&format!(
                "INSERT INTO organizations (id, external_id, name) VALUES ('{org}', '{org}', 'One');
                 INSERT INTO users (id, auth_provider, auth_subject) VALUES ('{user}', 'test', '{user}')"
            ))
            .await;
        Bench { db, api: db.pools(Role::Api), org, user, owner: Mutex::new(owner) }
    }

    /// All rules that hold at any instant hold.
    pub(crate) async fn check(&self) {
        check::assert_clean(&check::report(self.db, hellosales_core::invariant::Scope::Live, &[&DIAMOND, &LINE]).await);
    }

    /// All rules hold, and nothing is left to do.
    pub(crate) async fn check_quiet(&self) {
        check::assert_clean(
            &check::report(self.db, hellosales_core::invariant::Scope::Quiet, &[&DIAMOND, &LINE]).await,
        );
    }

    /// Statements of the owner.
    pub(crate) async fn sql(&self, sql: &str) {
        self.owner.lock().await.run(sql).await;
    }

    /// One value that the owner sees.
    pub(crate) async fn value<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.owner.lock().await.value(sql).await
    }

    /// A column that the owner sees.
    pub(crate) async fn column<T>(&self, sql: &str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.owner.lock().await.column(sql).await
    }

    /// A worker whose lease holds.
    pub(crate) async fn hand(&self) -> Hand {
        self.hand_through(&self.db.url).await
    }

    /// A worker that reaches the database by another way.
    pub(crate) async fn hand_through(&self, url: &str) -> Hand {
        let db = crate::harness::database::pools(url, Role::Worker);
        let shapes = Shapes::new(&[&DIAMOND, &LINE, &CHAT, &SUMMARY]);
        let hand = Hand { worker: WorkerId::new(), db, shapes, hand_over: false, automatic: Automatic::default() };
        let mut connection = self.db.pools(Role::Worker).connection().await.expect("a connection");
        let beat = lease::Beat {
            worker: hand.worker,
            host: "here".to_owned(),
            pid: 1,
            version: "0".to_owned(),
            slots: 8,
            lease_ms: LEASE_MS,
            draining: false,
            drained: false,
            kinds: hand.shapes.kinds().into(),
        };
        lease::beat(&mut connection, &beat).await.expect("a beat");
        hand
    }

    /// The worker has been silent for longer than its lease.
    pub(crate) async fn expire(&self, hand: &Hand) {
        self.sql(&format!("UPDATE workers SET lease_until = now() - interval '1 minute' WHERE id = '{}'", hand.worker))
            .await;
    }

    /// The worker beats again.
    pub(crate) async fn thaw(&self, hand: &Hand) {
        self.sql(&format!("UPDATE workers SET lease_until = now() + interval '1 minute' WHERE id = '{}'", hand.worker))
            .await;
    }

    /// Submits a diamond.
    pub(crate) async fn submit(&self) -> RunId {
        let run = NewRun { stream: true, ..NewRun::new(RunId::new(), &Cut {}, 1, 30_000).expect("an input") };
        self.submit_run(&run).await;
        run.id
    }

    /// Submits something else.
    pub(crate) async fn submit_run(&self, run: &NewRun) {
        let mut tx = self.api.begin().await.expect("a transaction");
        submit::submit(&mut tx.enter(self.org).await.expect("entered"), run).await.expect("submitted");
        tx.commit().await.expect("committed");
    }

    /// A session.
    pub(crate) async fn session(&self) -> SessionId {
        let session = SessionId::new();
        self.sql(&format!(
            "INSERT INTO sessions (id, org_id, user_id) VALUES ('{session}', '{}', '{}')",
            self.org, self.user
        ))
        .await;
        session
    }

    /// What the user says, not yet accepted.
    pub(crate) fn turn(&self, session: SessionId, message: &str) -> NewTurn {
        NewTurn {
            run_id: RunId::new(),
            session_id: session,
            user_id: self.user,
            message: message.to_owned(),
            message_id: Some(message.to_owned()),
            quality_mode: QualityMode::Balanced,
            temperature: None,
            max_tokens: None,
            replaces: None,
            request_id: None,
            traceparent: None,
            stage_timeout_ms: 30_000,
            rank: 1,
        }
    }

    /// Accepts a turn by these pools.
    pub(crate) async fn accept(&self, api: &Database, turn: &NewTurn) -> Result<AcceptedTurn, TurnError> {
        let mut tx = api.begin().await?;
        let accepted = turn::accept(&mut tx.enter(self.org).await?, turn).await?;
        tx.commit().await?;
        Ok(accepted)
    }

    /// Accepts a turn.
    pub(crate) async fn say(&self, session: SessionId, message: &str) -> RunId {
        self.accept(&self.api, &self.turn(session, message)).await.expect("accepted").run_id
    }

    /// A run's status.
    pub(crate) async fn status(&self, run: RunId) -> String {
        self.value(&format!("SELECT status FROM pipeline_runs WHERE id = '{run}'")).await
    }

    /// A run's steps, by their number: `2 held failed`.
    pub(crate) async fn steps(&self, run: RunId) -> Vec<String> {
        self.column(&format!(
            "SELECT concat_ws(' ', stage, status, held_by) FROM pipeline_steps WHERE run_id = '{run}' ORDER BY stage"
        ))
        .await
    }

    /// A digest of all rows that a settlement may write.
    pub(crate) async fn fingerprint(&self) -> String {
        let tables = [
            "pipeline_runs",
            "pipeline_steps",
            "run_stream",
            "pipeline_events",
            "dead_letter_queue",
            "sessions",
            "interactions",
            "products",
        ];
        let digests: Vec<String> = tables
            .iter()
            .map(|table| {
                format!("(SELECT md5(coalesce(string_agg(t::text, ',' ORDER BY t::text), '')) FROM {table} t)")
            })
            .collect();
        self.value(&format!("SELECT concat_ws(' ', {})", digests.join(", "))).await
    }

    /// Waits until so many statements of this database stand before a lock: then who came first is first.
    pub(crate) async fn blocked(&self, n: i64) {
        let sql = format!(
            "SELECT count(*) >= {n} FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        );
        self.db.owner().await.until(&sql).await;
    }

    /// A second owner's transaction that holds the rows of this query until it is dropped.
    pub(crate) async fn lock(&self, query: &str) -> Owner {
        let mut owner = self.db.owner().await;
        owner.run(&format!("BEGIN; {query} FOR NO KEY UPDATE")).await;
        owner
    }

    /// How many products the effects of stages have made.
    pub(crate) async fn effects(&self) -> i64 {
        self.value("SELECT count(*) FROM products").await
    }
}

impl Hand {
    /// Successors are handed to this worker.
    pub(crate) const fn taking_over(mut self) -> Self {
        self.hand_over = true;
        self
    }

    /// A claim that takes up to so many steps of each lane, and suspects.
    pub(crate) fn request(&self, free: i64) -> ClaimRequest {
        ClaimRequest {
            worker: self.worker,
            token: LeaseToken::random(),
            kinds: Arc::from(self.shapes.kinds()),
            free,
            max: [free; 3],
            standard: free,
            suspects: 1,
            except: Default::default(),
        }
    }

    /// Claims as told.
    pub(crate) async fn try_claim(&self, request: &ClaimRequest) -> Result<Vec<ClaimedStep>, DatabaseError> {
        Ok(claim::claim(&self.db, request, &self.shapes).await?.steps)
    }

    /// Claims up to so many steps, in the order of their stages.
    pub(crate) async fn claim(&self, free: i64) -> Vec<ClaimedStep> {
        let mut steps = self.try_claim(&self.request(free)).await.expect("a claim");
        steps.sort_by_key(|step| (step.run().id, step.stage()));
        steps
    }

    /// Claims a step of this stage, which must be to be had.
    pub(crate) async fn take(&self, stage: &str) -> ClaimedStep {
        let mut request = self.request(1);
        let end = format!("/{stage}");
        request.kinds = self.shapes.kinds().into_iter().filter(|kind| kind.ends_with(&end)).collect();
        let step = self.try_claim(&request).await.expect("a claim").pop();
        step.unwrap_or_else(|| panic!("{stage} is not to be had"))
    }

    /// What runs under a token.
    pub(crate) async fn adopt(&self, token: LeaseToken) -> Vec<ClaimedStep> {
        claim::adopt(&self.db, self.worker, token, &self.shapes).await.expect("an answer").steps
    }

    /// A connection that was cut a moment ago is found by whoever uses it next: then another is.
    async fn pauses(&self) -> Pauses {
        for _ in 0..20 {
            if let Ok(pauses) = Pauses::read(&self.db).await {
                return pauses;
            }
        }
        panic!("no connection is whole")
    }

    /// Settles a group, once.
    pub(crate) async fn report(&self, group: Vec<Settlement>) -> Report {
        let options = SettleOptions {
            worker: self.worker,
            stage_timeout_ms: 30_000,
            hand_over: self.hand_over,
            pauses: Arc::new(self.pauses().await),
            automatic: self.automatic,
        };
        settle::settle(&self.db, &options, group).await
    }

    /// Settles a group, once, and says what became of each.
    pub(crate) async fn settle(&self, group: Vec<Settlement>) -> Vec<Settled> {
        self.report(group).await.settled
    }

    /// Settles one result, as often as it takes.
    pub(crate) async fn settle_one(&self, settlement: Settlement) -> Settled {
        let mut settlement = settlement;
        for _ in 0..50 {
            match self.settle(vec![settlement]).await.pop().expect("one answer") {
                Settled::Later(later) => settlement = *later,
                Settled::Failed(_, error) => panic!("{error:?}"),
                settled => return settled,
            }
        }
        panic!("the run's row was never free");
    }

    /// Settles one step, which must land; the successor that is handed over with it.
    pub(crate) async fn land(&self, step: ClaimedStep, end: End) -> Option<ClaimedStep> {
        self.land_with(Settlement::new(step, end)).await
    }

    /// Settles one result, which must land.
    pub(crate) async fn land_with(&self, settlement: Settlement) -> Option<ClaimedStep> {
        match self.settle_one(settlement).await {
            Settled::Landed { next } => next.map(|next| *next),
            settled => panic!("it did not land: {settled:?}"),
        }
    }

    /// Works on a turn to its end, with an answer of no words.
    pub(crate) async fn answer(&self) {
        for _ in 0..6 {
            let Some(step) = self.claim(1).await.pop() else { break };
            let answers = step.shape().name == "persist";
            self.land_with(result(step, ok())).await;
            if answers {
                break;
            }
        }
    }
}
