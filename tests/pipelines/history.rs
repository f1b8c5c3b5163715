//! What a prompt holds of a conversation.

use hellosales_core::queue::cancel;
use hellosales_core::run::StatusReason;

use super::bench::Bench;

fn roles(told: &[(String, String)]) -> Vec<(&str, &str)> {
    told.iter().skip(1).map(|(role, text)| (role.as_str(), text.as_str())).collect()
}

#[tokio::test]
async fn rule_10_no_prompt_holds_what_was_said_later_was_blocked_or_never_passed_its_guard() {
    Bench::run(async |bench| {
        let first = bench.turn("One").await;
        // Cancelled before its guard had looked.
        let unseen = bench.say("Unseen").await;
        cancel::cancel(&bench.worker, bench.org, unseen, StatusReason::User).await.expect("cancelled");
        // Cancelled after its guard had passed it.
        let stopped = bench.say("Stopped").await;
        bench.step("chat@1/input_guard").await;
        cancel::cancel(&bench.worker, bench.org, stopped, StatusReason::User).await.expect("cancelled");
        // Blocked, in every way but the words.
        let blocked = bench.turn("Blocked").await;
        bench
            .sql(&format!("UPDATE interactions SET status = 'blocked' WHERE run_id = '{blocked}' AND role = 'user'"))
            .await;
        // Replaced.
        let replaced = bench.turn("Replaced").await;
        bench
            .sql(&format!("UPDATE interactions SET superseded_by = gen_random_uuid() WHERE run_id = '{replaced}'"))
            .await;

        let last = bench.say("Now").await;
        bench.say("Later").await;
        bench.prepare().await;
        bench.step("chat@1/llm").await;

        let answers = |run| format!("SELECT content FROM interactions WHERE role = 'assistant' AND run_id = '{run}'");
        let one: String = bench.value(&answers(first)).await;
        let other: String = bench.value(&answers(blocked)).await;
        let told = bench.told(last).await;
        let expected = [
            ("user", "One"),
            ("assistant", one.as_str()),
            ("user", "Stopped"),
            ("assistant", other.as_str()),
            ("user", "Now"),
        ];
        assert_eq!(roles(&told), expected);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_stopped_is_told_as_far_as_it_came() {
    Bench::run(async |bench| {
        let run = bench.turn("One").await;
        bench
            .sql(&format!(
                "UPDATE interactions SET status = 'partial', content = 'Half an' WHERE run_id = '{run}' AND role = 'assistant';
                 UPDATE run_stream SET data = data || '{{\"delta\": \"Half an\"}}' WHERE run_id = '{run}' AND event = 'output.delta'"
            ))
            .await;
        let next = bench.turn("Two").await;
        assert_eq!(roles(&bench.told(next).await), [("user", "One"), ("assistant", "Half an"), ("user", "Two")]);
    })
    .await;
}
