//! What a stage says while it works, and what its readers get.

use hellosales_core::RunId;

use super::super::bench::Bench;
use super::script::{Act, Script};
use super::{Plan, config, run_is, until};

/// What a reader has at the end: all deltas after the last reset.
async fn read(bench: &Bench<'_>, run: RunId) -> String {
    bench
        .value(&format!(
            "SELECT coalesce(string_agg(data->>'delta', '' ORDER BY seq), '') FROM run_stream WHERE run_id = '{run}' AND event = 'output.delta'
             AND seq > coalesce((SELECT max(seq) FROM run_stream WHERE run_id = '{run}' AND event = 'output.reset'), -1)"
        ))
        .await
}

/// The names of the events, in order.
async fn events(bench: &Bench<'_>, run: RunId) -> Vec<String> {
    bench.column(&format!("SELECT event FROM run_stream WHERE run_id = '{run}' ORDER BY seq")).await
}

#[tokio::test]
async fn what_a_stage_says_is_what_its_readers_get() {
    Bench::run(async |bench| {
        let llm = Script::of(&[&[Act::Say("Hello "), Act::Wait, Act::Say("Ana, "), Act::Say("how are you?")]]);
        let worker = Plan::llm(&llm).worker(bench, config()).await;
        let run = bench.say(bench.session().await, "hi").await;
        llm.begun().await;
        until(bench, "SELECT data->>'delta' FROM run_stream WHERE event = 'output.delta'", "Hello ").await;
        llm.go_on();
        run_is(bench, run, "completed").await;
        assert_eq!(read(bench, run).await, "Hello Ana, how are you?");
        assert!(!events(bench, run).await.contains(&"output.reset".to_owned()));
        worker.drain().await;
        bench.check_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_back_is_reset_for_the_readers() {
    Bench::run(async |bench| {
        let llm = Script::of(&[&[Act::Say("a sec"), Act::Wait, Act::Say("ret"), Act::Replace("I can't say that.")]]);
        let worker = Plan::llm(&llm).worker(bench, config()).await;
        let run = bench.say(bench.session().await, "hi").await;
        llm.begun().await;
        until(bench, "SELECT data->>'delta' FROM run_stream WHERE event = 'output.delta'", "a sec").await;
        llm.go_on();
        run_is(bench, run, "completed").await;
        assert_eq!(read(bench, run).await, "I can't say that.");
        let reason = "SELECT data->>'reason' FROM run_stream WHERE event = 'output.reset'";
        assert_eq!(bench.value::<String>(reason).await, "filtered");
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn a_chunk_that_the_database_forgot_is_noticed_and_the_text_told_anew() {
    Bench::run(async |bench| {
        let llm = Script::of(&[&[Act::Say("one "), Act::Wait, Act::Say("two "), Act::Wait, Act::Say("three")]]);
        let worker = Plan::llm(&llm).worker(bench, config()).await;
        let run = bench.say(bench.session().await, "hi").await;
        llm.begun().await;
        until(bench, "SELECT count(*) FROM run_stream WHERE event = 'output.delta'", "1").await;
        bench.sql("DELETE FROM run_stream WHERE event = 'output.delta'").await;
        llm.go_on();
        llm.begun().await;
        until(bench, "SELECT data->>'delta' FROM run_stream WHERE event = 'output.delta'", "one two ").await;
        llm.go_on();
        run_is(bench, run, "completed").await;
        assert_eq!(read(bench, run).await, "one two three");
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn a_last_chunk_that_the_database_forgot_is_told_by_the_settlement() {
    Bench::run(async |bench| {
        let llm = Script::of(&[&[Act::Say("all of it"), Act::Wait]]);
        let worker = Plan::llm(&llm).worker(bench, config()).await;
        let run = bench.say(bench.session().await, "hi").await;
        llm.begun().await;
        until(bench, "SELECT count(*) FROM run_stream WHERE event = 'output.delta'", "1").await;
        bench.sql("DELETE FROM run_stream WHERE event = 'output.delta'").await;
        llm.go_on();
        run_is(bench, run, "completed").await;
        assert_eq!(read(bench, run).await, "all of it");
        worker.drain().await;
    })
    .await;
}

#[tokio::test]
async fn after_a_kill_in_mid_sentence_readers_forget_the_old_attempt_and_get_the_new_one_whole() {
    Bench::run(async |bench| {
        let llm = Script::of(&[&[Act::Say("Hello An"), Act::Hang], &[Act::Say("Hello "), Act::Say("Ana.")]]);
        let plan = Plan::llm(&llm);
        let doomed = plan.worker(bench, config()).await;
        let run = bench.say(bench.session().await, "hi").await;
        llm.begun().await;
        until(bench, "SELECT data->>'delta' FROM run_stream WHERE event = 'output.delta'", "Hello An").await;
        doomed.kill().await;
        let other = plan.worker(bench, config()).await;
        run_is(bench, run, "completed").await;
        assert_eq!(read(bench, run).await, "Hello Ana.");
        let resets = events(bench, run).await.iter().filter(|event| *event == "output.reset").count();
        assert_eq!(resets, 1);
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM interactions WHERE role = 'assistant'").await, 1);
        other.drain().await;
        bench.check_quiet().await;
    })
    .await;
}
