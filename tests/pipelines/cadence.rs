//! Summaries: asked for in time, waited for by nobody.

use hellosales_worker::config::PipelineConfig;
use hellosales_worker::registry::Executed;

use super::bench::Bench;

const EVERY_TWO: PipelineConfig = PipelineConfig {
    retention: hellosales_core::retention::Policy::DEFAULT,
    summary_enabled: true,
    summary_threshold: 2,
    summary_keep_last: 2,
    guardrails_enabled: true,
    stage_timeout_ms: 30_000,
};

const CHAT: [&str; 6] = [
    "chat@1/input_guard",
    "chat@1/profile_enrich",
    "chat@1/summary_enrich",
    "chat@1/llm",
    "chat@1/output_guard",
    "chat@1/persist",
];

async fn chat_only(bench: &Bench<'_>, message: &str) -> hellosales_core::RunId {
    let run = bench.say(message).await;
    for kind in CHAT {
        bench.step(kind).await;
    }
    run
}

#[tokio::test]
async fn a_summary_is_submitted_with_the_turn_that_makes_it_due_and_no_turn_waits_for_it() {
    Bench::run_with(EVERY_TWO, async |bench| {
        chat_only(bench, "What does Beacon cost?").await;
        let runs = "SELECT count(*) FROM pipeline_runs WHERE pipeline = 'summary'";
        assert_eq!(bench.value::<i64>(runs).await, 0);
        let parent = chat_only(bench, "And support?").await;
        assert_eq!(bench.value::<i64>(runs).await, 1);
        // Goes on, and asks for no second one.
        chat_only(bench, "And training?").await;
        assert_eq!(bench.value::<i64>(runs).await, 1);
        let pending = "SELECT r.status = 'queued' AND r.parent_run_id IS NOT NULL AND r.turn IS NULL AND NOT r.stream
                       FROM summary_states s JOIN pipeline_runs r ON r.id = s.pending_run_id";
        assert!(bench.value::<bool>(pending).await);
        let follows = format!("SELECT count(*) FROM pipeline_runs WHERE parent_run_id = '{parent}' AND session_id IS NOT NULL");
        assert_eq!(bench.value::<i64>(&follows).await, 1);

        bench.drain().await;
        let summaries = bench
            .column("SELECT concat_ws(' ', version, cutoff_sequence, summary_text LIKE '%Beacon cost%') FROM session_summaries")
            .await;
        assert_eq!(summaries, ["1 2 t"]);
        let state = "SELECT concat_ws(' ', turns_since_summary, last_cutoff_sequence, pending_run_id) FROM summary_states";
        assert_eq!(bench.column(state).await, ["1 2"], "the turn after stays counted");
    })
    .await;
}

#[tokio::test]
async fn a_summarys_lane_is_woken_by_the_turn_that_asks_for_it() {
    Bench::run_with(EVERY_TWO, async |bench| {
        for (message, woken) in [("What does Beacon cost?", false), ("And support?", true)] {
            bench.say(message).await;
            for kind in &CHAT[..5] {
                bench.step(kind).await;
            }
            let job = bench.take("chat@1/persist").await;
            let Executed::Ended { end, effects, .. } = bench.execute(&job).await else { panic!("it is ours") };
            let report = bench.report(job, end, effects).await;
            assert_eq!(report.wakes.lanes, [false, woken, false], "{message}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_later_prompt_has_the_summary_in_place_of_what_it_covers() {
    Bench::run_with(EVERY_TWO, async |bench| {
        bench.turn("What does Beacon cost?").await;
        bench.turn("And support?").await;
        let next = bench.turn("And training?").await;
        let told = bench.told(next).await;
        assert!(told[0].1.contains("## Conversation summary\nSo far: "), "{}", told[0].1);
        let said: Vec<&str> = told[1..].iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(said.len(), 3);
        assert_eq!((said[0], said[2]), ("And support?", "And training?"));
        // The next summary is made of the one before and what came since.
        bench.turn("And a trial?").await;
        let versions = bench.column("SELECT concat_ws(' ', version, cutoff_sequence) FROM session_summaries ORDER BY version").await;
        assert_eq!(versions, ["1 2", "2 6"]);
        let record = bench
            .column("SELECT prompt_messages->1->>'content' FROM provider_calls WHERE service = 'summary' ORDER BY id DESC LIMIT 1")
            .await;
        assert!(record[0].starts_with("Before: ") && record[0].contains("\nUser: And support?\n"), "{record:?}");
        assert!(!record[0].contains("a trial"), "what stays as it was said is not in it");
    })
    .await;
}

#[tokio::test]
async fn no_summary_is_made_when_they_are_switched_off() {
    Bench::run_with(PipelineConfig { summary_enabled: false, ..EVERY_TWO }, async |bench| {
        for message in ["One", "Two", "Three"] {
            bench.turn(message).await;
        }
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM pipeline_runs WHERE pipeline = 'summary'").await, 0);
    })
    .await;
}
