//! What a model may answer to a request for JSON, and what readers have of it: a model that says what the test wants.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use hellosales_core::RunId;
use hellosales_core::content::email::EmailType;
use hellosales_worker::environment::Environment;
use hellosales_worker::provider::call::{LlmDoor, Models};
use hellosales_worker::provider::price::Prices;
use hellosales_worker::provider::{Finish, Llm, LlmEvent, LlmRequest, ProviderError};
use serde_json::json;

use super::bench::Bench;
use super::written::plain_email;

/// Answers with these pieces, whatever it is asked.
#[derive(Debug)]
struct Parrot(Vec<String>);

impl Llm for Parrot {
    fn provider(&self) -> &str {
        "parrot"
    }

    fn generate(&self, _request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, ProviderError>> {
        let pieces: Vec<_> =
            self.0.iter().cloned().map(LlmEvent::Delta).chain([LlmEvent::Finished(Finish::Stop)]).collect();
        stream::iter(pieces).map(Ok).boxed()
    }
}

/// An email of which the model says this; the run, when all is done that can be.
async fn answered<'p>(bench: &Bench<'_>, pieces: impl IntoIterator<Item = &'p str>) -> RunId {
    let run = bench.submit(&plain_email(EmailType::General)).await;
    for stage in ["input_guard", "product_enrich", "client_enrich", "company_enrich"] {
        bench.step(&format!("email@1/{stage}")).await;
    }
    let name = || "parrot".to_owned();
    let models = Models { fast: name(), balanced: name(), quality: name() };
    let parrot = Parrot(pieces.into_iter().map(str::to_owned).collect());
    let llm = LlmDoor::new(Arc::new(parrot), models, Prices::embedded().expect("prices"));
    let job = bench.take("email@1/llm").await;
    let executed = bench.execute_in(&job, Environment { llm, ..bench.environment.clone() }).await;
    bench.settle(job, executed).await;
    bench.drain().await;
    run
}

/// What readers have at the end, by field.
async fn told(bench: &Bench<'_>, run: RunId) -> BTreeMap<String, String> {
    let sql = format!(
        "SELECT coalesce(jsonb_object_agg(field, text), '{{}}') FROM (
           SELECT data->>'field' AS field, string_agg(data->>'delta', '' ORDER BY seq) AS text FROM run_stream
           WHERE run_id = '{run}' AND event = 'output.delta'
             AND seq > coalesce((SELECT max(seq) FROM run_stream WHERE run_id = '{run}' AND event = 'output.reset'), 0)
           GROUP BY 1) f"
    );
    serde_json::from_value(bench.value(&sql).await).expect("texts")
}

fn fields(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|(field, text)| ((*field).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn whatever_stands_around_an_answer_and_in_its_strings_readers_have_what_is_stored() {
    Bench::run(async |bench| {
        let email = r#"{"personalization_fields": ["{{first_name}}"], "body": "\r\n Dear \u00c5sa,\r\n\ud83d\ude00 ok \n", "subject": "Hi\u0021 ",
            "call_to_action": "Call  me"}"#;
        let whole = fields(&[("subject", "Hi!"), ("body", "Dear Åsa,\n😀 ok"), ("call_to_action", "Call  me")]);
        let said_first = format!("Here is an email for {{first_name}}:\n```json\n{email}\n```");
        let twice = email.replacen('{', r#"{"subject": "Draft", "#, 1);
        for answer in [email, &said_first, &twice] {
            let chars: Vec<String> = answer.chars().map(String::from).collect();
            for run in [answered(bench, [answer]).await, answered(bench, chars.iter().map(String::as_str)).await] {
                assert_eq!(bench.status_of(run).await, "completed", "{answer}");
                assert_eq!(told(bench, run).await, whole, "{answer}");
                let stored = format!("SELECT concat_ws('|', subject, body, call_to_action, personalization_fields) FROM sales_emails WHERE run_id = '{run}'");
                assert_eq!(bench.value::<String>(&stored).await, "Hi!|Dear Åsa,\n😀 ok|Call  me|[\"first_name\"]");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_refused_text_is_refused_for_any_cut_and_in_any_place() {
    Bench::run(async |bench| {
        let bad = "Hello <script>alert(1)</script>";
        let answer = |subject: &str, body: &str, fields: &str| {
            json!({"subject": subject, "body": body, "call_to_action": "Call me", "personalization_fields": [fields]}).to_string()
        };
        // A member that readers aren't told is judged all the same, and what they were told is taken back.
        for (answer, stage) in
            [(answer(bad, "Dear Ana", "x"), "llm"), (answer("Hi", bad, "x"), "llm"), (answer("Hi", "Dear Ana", bad), "output_guard")]
        {
            let escaped = answer.replace('<', "\\u003c");
            let chars: Vec<String> = escaped.chars().map(String::from).collect();
            for run in [answered(bench, [answer.as_str()]).await, answered(bench, chars.iter().map(String::as_str)).await] {
                let ended = format!("SELECT concat_ws(' ', status, failure->>'code', failure->>'stage') FROM pipeline_runs WHERE id = '{run}'");
                assert_eq!(bench.value::<String>(&ended).await, format!("failed GUARD_BLOCKED {stage}"));
                assert_eq!(told(bench, run).await, fields(&[]));
                let resets = format!("SELECT coalesce(string_agg(data->>'reason', ' ' ORDER BY seq), '') FROM run_stream WHERE run_id = '{run}' AND event = 'output.reset'");
                assert!(bench.value::<String>(&resets).await.ends_with("filtered"));
                let leaked = format!("SELECT count(*) FROM run_stream WHERE run_id = '{run}' AND data->>'delta' LIKE '%<%'");
                assert_eq!(bench.value::<i64>(&leaked).await, 0);
            }
        }
        assert_eq!(bench.value::<i64>("SELECT count(*) FROM sales_emails").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_refused_answer_that_readers_could_not_follow_is_not_told_whole_either() {
    Bench::run(async |bench| {
        // The first brace is none of the answer's: nothing was told while it came.
        let answer = r#"{name}: {"subject": "Hi", "body": "<script>alert(1)</script>", "call_to_action": "Call", "personalization_fields": []}"#;
        let run = answered(bench, [answer]).await;
        assert_eq!(bench.status_of(run).await, "failed error");
        let deltas = format!("SELECT count(*) FROM run_stream WHERE run_id = '{run}' AND event = 'output.delta'");
        assert_eq!(bench.value::<i64>(&deltas).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_forgotten_by_readers_with_the_next_attempt() {
    Bench::run(async |bench| {
        let run = answered(bench, [r#"{"subject": "Hi", "body": "Dear Ana"}"#]).await;
        assert_eq!(bench.step_of(run, 4).await, "delayed 1 0 backoff");
        bench.hurry(run).await;
        bench.drain().await;
        assert_eq!(bench.status_of(run).await, "completed");
        let reset = format!("SELECT data->>'reason' FROM run_stream WHERE run_id = '{run}' AND event = 'output.reset' LIMIT 1");
        assert_eq!(bench.value::<String>(&reset).await, "retry");
        let stored = format!("SELECT jsonb_build_object('subject', subject, 'body', body, 'call_to_action', call_to_action) FROM sales_emails WHERE run_id = '{run}'");
        assert_eq!(json!(told(bench, run).await), bench.value::<serde_json::Value>(&stored).await);
    })
    .await;
}
