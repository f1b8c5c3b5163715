//! A turn from the first stage to the stored answer.

use hellosales_core::Role;

use super::bench::Bench;

#[tokio::test]
async fn a_turn_is_answered_from_the_facts_of_its_session_and_stored_once() {
    Bench::run(async |bench| {
        let run = bench.say("How do I open the call?").await;
        bench.prepare().await;
        let streamed = bench.step("chat@1/llm").await;
        bench.step("chat@1/output_guard").await;
        bench.step("chat@1/persist").await;

        let told = bench.told(run).await;
        let (role, system) = &told[0];
        assert_eq!(role, "system");
        let sections = [
            "You are a helpful AI sales assistant. You're talking to Sam Seller.",
            "## Company\nName: Northwind\nIndustry: Software",
            "## Product\nName: Beacon\nKey features: instant alerts; shared inbox",
            "## Client\nName: Ana Reyes\nCompany: Globex\nPain points: slow answers",
        ];
        for section in sections {
            assert!(system.contains(section), "{section}\n---\n{system}");
        }
        assert!(!system.contains("canary"), "no prompt needs an email address");
        assert_eq!(told[1..], [("user".to_owned(), "How do I open the call?".to_owned())]);

        let rows = bench
            .column("SELECT concat_ws(' ', role, status, sequence_number, filtered, content) FROM interactions ORDER BY sequence_number")
            .await;
        let answer = format!("assistant complete 2 f {streamed}");
        assert_eq!(rows, ["user complete 1 f How do I open the call?", answer.as_str()]);
        let linked: bool = bench
            .value("SELECT i.llm_provider_call_id = c.id FROM interactions i, provider_calls c WHERE i.role = 'assistant'")
            .await;
        assert!(linked);
        assert_eq!(bench.value::<i32>("SELECT interaction_count FROM sessions").await, 2);
        assert_eq!(bench.value::<String>("SELECT status FROM pipeline_runs").await, "completed");
    })
    .await;
}

#[tokio::test]
async fn rule_03_effects_applied_twice_are_there_once() {
    Bench::run(async |bench| {
        bench.say("Hello").await;
        bench.prepare().await;
        bench.step("chat@1/llm").await;
        bench.step("chat@1/output_guard").await;
        let job = bench.take("chat@1/persist").await;
        let executed = bench.execute(&job).await;
        let effects = bench.settle(job, executed).await.expect("persist has effects");
        let before = bench.column(STATE).await;
        let mut tx = bench.worker.begin().await.expect("a transaction");
        effects.apply(&mut tx.enter(bench.org).await.expect("entered")).await.expect("applied again");
        tx.commit().await.expect("committed");
        assert_eq!(bench.column(STATE).await, before);
    })
    .await;
}

const STATE: &str =
    "SELECT concat(s.interaction_count, ' ', t.turns_since_summary, ' ', (SELECT count(*) FROM interactions))
    FROM sessions s JOIN summary_states t ON t.session_id = s.id";

#[tokio::test]
async fn an_answer_to_a_turn_that_was_replaced_is_superseded_too() {
    Bench::run(async |bench| {
        bench.turn("First").await;
        let run = bench.say("Second").await;
        bench.sql("UPDATE interactions SET superseded_by = gen_random_uuid() WHERE content = 'Second'").await;
        bench.drain().await;
        let same: bool = bench
            .value(&format!(
                "SELECT count(DISTINCT superseded_by) = 1 AND count(superseded_by) = 2 FROM interactions WHERE run_id = '{run}'"
            ))
            .await;
        assert!(same);
    })
    .await;
}

#[tokio::test]
async fn another_organisations_product_is_never_told() {
    Bench::run(async |bench| {
        bench.say("Hello").await;
        let mut tx = bench.db.pools(Role::Worker).begin().await.expect("a transaction");
        let mut other = tx.enter(hellosales_core::OrgId::new()).await.expect("entered");
        let found = hellosales_core::content::product::of_session(&mut other, bench.session).await.expect("read");
        assert_eq!(found, None);
    })
    .await;
}
