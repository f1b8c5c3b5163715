//! Rule 9: what no code should write, the database refuses.

use super::bench::Bench;

#[tokio::test]
async fn rule_09_illegal_rows_are_refused() {
    Bench::run(async |bench| {
        bench.submit().await;
        let session = bench.session().await;
        bench.say(session, "hello").await;
        let mut owner = bench.db.owner().await;
        for sql in [
            "UPDATE pipeline_runs SET status = 'finished'",
            "UPDATE pipeline_runs SET status = 'completed'",
            "UPDATE pipeline_runs SET completed_at = now()",
            "UPDATE pipeline_runs SET success = true",
            "UPDATE pipeline_runs SET status = 'failed', completed_at = now()",
            "UPDATE pipeline_runs SET done = 64",
            "UPDATE pipeline_runs SET turn = NULL WHERE turn IS NOT NULL",
            "UPDATE pipeline_runs SET status_reason = 'whim'",
            "UPDATE pipeline_runs SET lane = 3",
            "UPDATE pipeline_steps SET status = 'running'",
            "UPDATE pipeline_steps SET worker_id = gen_random_uuid()",
            "UPDATE pipeline_steps SET status = 'held'",
            "UPDATE pipeline_steps SET held_by = 'turn'",
            "UPDATE pipeline_steps SET status = 'delayed'",
            "UPDATE pipeline_steps SET delay_reason = 'backoff'",
            "UPDATE pipeline_steps SET status = 'completed'",
            "UPDATE pipeline_steps SET ended_at = now()",
            "UPDATE pipeline_steps SET crashes = 4",
            "UPDATE pipeline_steps SET failures = max_attempts + 1",
            "UPDATE pipeline_steps SET stage = 62",
            "INSERT INTO pipeline_steps SELECT * FROM pipeline_steps LIMIT 1",
            "INSERT INTO run_stream SELECT * FROM run_stream LIMIT 1",
            "UPDATE sessions SET waiting = -1",
            "UPDATE sessions SET active_run_id = NULL, waiting = 1",
            "UPDATE sessions SET state = 'ended'",
            "UPDATE interactions SET sequence_number = 0",
            "UPDATE interactions SET role = 'ghost'",
            "INSERT INTO interactions (id, org_id, session_id, role, sequence_number) SELECT gen_random_uuid(), org_id, session_id, 'user', sequence_number FROM interactions",
            "INSERT INTO provider_calls (id, org_id, service, operation, provider, pipeline_run_id, stage, attempt, lease_token, completed_at)
             SELECT gen_random_uuid(), org_id, 'chat', 'llm', 'x', id, 3, 1, id, now() FROM pipeline_runs",
        ] {
            let error = owner.attempt(sql).await.expect_err(sql);
            let state = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
            assert!(state.starts_with("23"), "{sql}: {error}");
        }
    })
    .await;
}
