//! Operators at the terminal: exit codes, shapes, and filters that mean the same everywhere. Without a terminal.

mod lists;
mod organization;
mod status;
mod stop;

use std::process::Output;

use serde_json::Value;
use tokio::process::Command;

use super::program::program;
use crate::harness::database::TestDatabase;

/// A command on a test's database.
fn command(db: &TestDatabase, args: &[&str]) -> Command {
    let mut command = program(args);
    command.env("DATABASE_URL", &db.url).env("HELLOSALES_ACTOR", "dana");
    command
}

async fn run(db: &TestDatabase, args: &[&str]) -> Output {
    command(db, args).output().await.expect("it starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}{said}", out(output)))
}

/// Organisations `Acme` and `=Beta`, each with runs of every status: of each `n`-th the id ends in n.
async fn plant(db: &TestDatabase) {
    let mut owner = db.owner().await;
    owner
        .run(
            "INSERT INTO organizations (id, external_id, name, slug) VALUES
               ('0199a000-0000-7000-8000-000000000001', 'org_acme', 'Acme', 'acme'),
               ('0199a000-0000-7000-8000-000000000002', 'org_beta', '=Beta', 'beta');
             INSERT INTO pipeline_runs (id, org_id, service, topology, behavior, pipeline, pipeline_version, lane, fair_rank, status,
               success, status_reason, failure, error_code, input, stream, completed_at, created_at)
             SELECT (lpad(to_hex((extract(epoch FROM t.at) * 1000)::bigint), 12, '0') || '70008000' || lpad(t.n::text, 12, '0'))::uuid,
               ('0199a000-0000-7000-8000-00000000000' || 1 + t.n % 2)::uuid, 'email', 'email@1', 'standard', 'email', 1, 1, t.n, t.status,
               t.status = 'completed', CASE WHEN t.status = 'failed' THEN 'error' END,
               CASE WHEN t.status = 'failed' THEN jsonb_build_object('code', t.code, 'stage', 'llm', 'provider', 'groq') END,
               CASE WHEN t.status = 'failed' THEN t.code END, '{}', false, CASE WHEN t.status <> 'queued' THEN t.at END, t.at
             FROM (SELECT n, clock_timestamp() - n * interval '1 hour' AS at,
                     (ARRAY['queued', 'completed', 'failed', 'cancelled'])[1 + n % 4] AS status,
                     (ARRAY['PROVIDER_TIMEOUT', 'PROVIDER_UNAVAILABLE', 'STAGE_FAILED'])[1 + n / 4 % 3] AS code
                   FROM generate_series(0, 23) n) t;
             INSERT INTO pipeline_steps (run_id, stage, kind, org_id, lane, fair_rank, status, deadline_at, timeout_ms, max_attempts,
               failures, ended_at, error)
             SELECT id, 4, 'email@1/llm', org_id, 1, fair_rank, CASE status WHEN 'failed' THEN 'dead' ELSE 'ready' END,
               created_at + interval '1 hour', 60000, 5, CASE status WHEN 'failed' THEN 1 ELSE 0 END, completed_at, failure
             FROM pipeline_runs WHERE status IN ('failed', 'queued');
             INSERT INTO dead_letter_queue (id, org_id, pipeline_run_id, generation, error_type, error_code, failed_stage, context_snapshot)
             SELECT id, org_id, id, 1, 'Failure', error_code, 'llm', '{}' FROM pipeline_runs WHERE status = 'failed'",
        )
        .await;
}
