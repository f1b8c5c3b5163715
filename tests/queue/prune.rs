//! The janitor: what is old goes, what is young or still needed stays.

use hellosales_core::queue::janitor;
use hellosales_core::{OrgId, Role, RunId};

use super::bench::Bench;

/// A run as it stands some minutes after its submit, with one chunk in its stream.
async fn run_with_chunk(bench: &Bench<'_>, submitted_minutes_ago: i64, ended_minutes_ago: Option<i64>) -> RunId {
    let at = format!("extract(epoch FROM now() - interval '{submitted_minutes_ago} minutes') * 1000");
    let id: String = bench
        .value(&format!(
            "SELECT (lpad(to_hex(({at})::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid::text"
        ))
        .await;
    let (status, completed) = match ended_minutes_ago {
        Some(minutes) => ("cancelled", format!("now() - interval '{minutes} minutes'")),
        None => ("queued", "NULL".to_owned()),
    };
    let org: OrgId = bench.org;
    bench
        .sql(&format!(
            "INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, input, stream, status, completed_at)
             VALUES ('{id}', '{org}', 'chat', 'chat@1', 'interactive', 'chat', 1, 0, 1, '{{}}', true, '{status}', {completed});
             INSERT INTO run_stream (run_id, seq, org_id, event, data) VALUES ('{id}', 1000000, '{org}', 'output.delta', '{{}}')"
        ))
        .await;
    id.parse().expect("an id")
}

#[tokio::test]
async fn chunks_go_an_hour_after_the_end_of_their_run_and_not_before() {
    crate::harness::database::TestDatabase::run_unchecked(async |db| {
        let bench = Bench::at(db).await;
        let gone = run_with_chunk(&bench, 130, Some(70)).await;
        let young = run_with_chunk(&bench, 130, Some(50)).await;
        let live = run_with_chunk(&bench, 130, None).await;
        let short = run_with_chunk(&bench, 1, Some(0)).await;
        // A run that retention has deleted keeps no chunks.
        bench.sql(&format!("INSERT INTO run_stream SELECT '00000000-0000-7000-8000-000000000001', seq, org_id, event, data FROM run_stream WHERE run_id = '{gone}'")).await;
        let worker = db.pools(Role::Worker);
        assert_eq!(janitor::prune_stream(&worker, None).await.expect("a look"), (None, 2));
        let mut left: Vec<String> = bench.column("SELECT run_id::text FROM run_stream").await;
        left.sort_unstable();
        let mut kept = [young, live, short].map(|run| run.to_string());
        kept.sort_unstable();
        assert_eq!(left, kept);
    })
    .await;
}

#[tokio::test]
async fn idempotency_keys_go_after_a_day_and_dead_workers_after_an_hour() {
    crate::harness::database::TestDatabase::run_unchecked(async |db| {
        let bench = Bench::at(db).await;
        let org: OrgId = bench.org;
        bench
            .sql(&format!(
                "INSERT INTO idempotency_keys (org_id, key, route, body_sha256, object, object_id, created_at)
                 SELECT '{org}', k, 'r', '', 'run', gen_random_uuid(), now() - age
                 FROM (VALUES ('old', interval '25 hours'), ('young', interval '23 hours')) v(k, age);
                 INSERT INTO workers (id, host, pid, version, slots, lease_until)
                 SELECT gen_random_uuid(), h, 1, '0', 1, now() - age
                 FROM (VALUES ('gone', interval '61 minutes'), ('missed', interval '59 minutes')) v(h, age)"
            ))
            .await;
        let worker = db.pools(Role::Worker);
        assert_eq!(janitor::prune_idempotency_keys(&worker).await.expect("a look"), 1);
        assert_eq!(janitor::prune_workers(&worker).await.expect("a look"), 1);
        assert_eq!(bench.column::<String>("SELECT key FROM idempotency_keys").await, ["young"]);
        assert_eq!(bench.column::<String>("SELECT host FROM workers").await, ["missed"]);
    })
    .await;
}
