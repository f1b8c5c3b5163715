//! Scripts and emails, seen while they are written: from the submission to the last token, in one process.

use std::collections::BTreeMap;

use hellosales_core::content::email::EmailType;
use hellosales_core::content::script::ScriptType;
use hellosales_core::pipeline::{EmailInput, PipelineInput, ScriptInput};
use hellosales_core::queue::submit::{self, NewRun};
use hellosales_core::{ClientId, EmailId, OrgId, ProductId, Role, RunId, ScriptId, UserId};
use serde_json::{Value, json};

use crate::harness::app::TestApp;
use crate::harness::http::{Client, Event, Events, fields};

const EMAIL_FIELDS: [&str; 3] = ["subject", "body", "call_to_action"];

/// Ana's organisation, with a product and a client of this name.
struct Office {
    ana: Client,
    org: OrgId,
    user: UserId,
    product: ProductId,
    client: ClientId,
}

impl Office {
    async fn of(app: &TestApp<'_>, client_name: &str) -> Self {
        let ana = app.user("One", "Ana");
        let me = ana.get("/auth/me").await.expect(200);
        let id = |object: &Value| object["id"].as_str().expect("an id").to_owned();
        let (org, user): (OrgId, UserId) =
            (id(&me["organization"]).parse().expect("an id"), id(&me["user"]).parse().expect("an id"));
        let (product, client) = (ProductId::new(), ClientId::new());
        let mut owner = app.db.owner().await;
        owner
            .run(&format!(
                "INSERT INTO products (id, org_id, name, key_features) VALUES ('{product}', '{org}', 'Beacon', '[\"instant alerts\"]');
                 INSERT INTO clients (id, org_id, name, company) VALUES ('{client}', '{org}', '{client_name}', 'Globex')"
            ))
            .await;
        Self { ana, org, user, product, client }
    }

    /// Submits a run of Ana's; somebody follows it, or it is one of many.
    async fn submit<I: PipelineInput>(&self, app: &TestApp<'_>, input: &I, stream: bool) -> String {
        let run = NewRun {
            user_id: Some(self.user),
            stream,
            ..NewRun::new(RunId::new(), input, 1, 30_000).expect("an input is JSON")
        };
        let mut tx = app.db.pools(Role::Api).begin().await.expect("a transaction");
        submit::submit(&mut tx.enter(self.org).await.expect("entered"), &run).await.expect("accepted");
        tx.commit().await.expect("committed");
        run.id.to_string()
    }

    async fn email(&self, app: &TestApp<'_>, stream: bool) -> String {
        let input = EmailInput {
            email_id: EmailId::new(),
            email_type: EmailType::FollowUp,
            product_id: Some(self.product),
            client_id: Some(self.client),
            instructions: None,
            name: None,
            description: None,
            session_id: None,
            previous: None,
        };
        self.submit(app, &input, stream).await
    }
}

/// The texts of the email that a run wrote.
async fn stored_email(app: &TestApp<'_>, run: &str) -> BTreeMap<String, String> {
    let sql = format!(
        "SELECT jsonb_strip_nulls(jsonb_build_object('subject', subject, 'body', body, 'call_to_action', call_to_action))
         FROM sales_emails WHERE run_id = '{run}'"
    );
    let email: Value = app.db.owner().await.value(&sql).await;
    serde_json::from_value(email).expect("texts")
}

/// The events up to the first delta of this field.
async fn until_field(stream: &mut Events, field: &str) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = stream.next().await.expect("an event");
        let found = event.name == "output.delta" && event.data["field"] == field;
        events.push(event);
        if found {
            return events;
        }
    }
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// So many tokens are in the middle of the body.
async fn hold_in_the_body(app: &TestApp<'_>) {
    app.control(&json!({"hold_after_tokens": 40, "requests": 1})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_email_is_streamed_by_field_in_the_words_that_are_stored() {
    TestApp::run(async |app| {
        let office = Office::of(app, "Ana Reyes").await;
        let run = office.email(app, true).await;
        let mut stream = office.ana.events(&run, None).await.expect("a stream");
        let snapshot = stream.next().await.expect("an event");
        assert_eq!((&snapshot.data["text"], &snapshot.data["fields"]), (&Value::Null, &json!({})));
        let _worker = app.worker().await;
        let events = stream.rest().await;
        assert_eq!(names(&events).last(), Some(&"run.completed"));
        assert!(!names(&events).contains(&"output.reset"), "it came as it is stored: {:?}", names(&events));
        let said = fields(&events);
        assert_eq!(said.keys().map(String::as_str).collect::<Vec<_>>(), ["body", "call_to_action", "subject"]);
        assert_eq!(said, stored_email(app, &run).await);
        for event in events.iter().filter(|event| event.name == "output.delta") {
            let (field, delta) = (event.data["field"].as_str(), event.data["delta"].as_str().expect("a text"));
            assert!(field.is_some_and(|field| EMAIL_FIELDS.contains(&field)), "{field:?}");
            assert!(!delta.is_empty() && !delta.contains("\\n") && !delta.contains("\":"), "raw JSON: {delta}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_streamed_by_field_and_its_lists_line_by_line() {
    TestApp::run(async |app| {
        let office = Office::of(app, "Ana Reyes").await;
        let input = ScriptInput {
            script_id: ScriptId::new(),
            script_type: ScriptType::Demo,
            product_id: Some(office.product),
            client_id: Some(office.client),
            instructions: None,
            name: None,
            description: None,
            session_id: None,
            previous: None,
        };
        let run = office.submit(app, &input, true).await;
        let stream = office.ana.events(&run, Some(0)).await.expect("a stream");
        let _worker = app.worker().await;
        let events = stream.rest().await;
        assert_eq!(names(&events).last(), Some(&"run.completed"));
        assert!(!names(&events).contains(&"output.reset"));
        let said = fields(&events);
        let sql = format!(
            "SELECT jsonb_build_object('content', content, 'points', key_talking_points, 'handlers', objection_handlers)
             FROM sales_scripts WHERE run_id = '{run}'"
        );
        let stored: Value = app.db.owner().await.value(&sql).await;
        assert_eq!(json!(said["content"]), stored["content"]);
        assert_eq!(json!(said["key_talking_points"].lines().collect::<Vec<_>>()), stored["points"]);
        let handlers = stored["handlers"].as_object().expect("an object");
        assert!(!handlers.is_empty());
        for (objection, response) in handlers {
            let line = format!("{objection}: {}", response.as_str().expect("a text"));
            assert!(said["objection_handlers"].contains(&line), "{line}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_cut_in_mid_field_goes_on_at_the_other_api_without_a_gap_or_a_repeat() {
    TestApp::run(async |app| {
        let office = Office::of(app, "Ana Reyes").await;
        hold_in_the_body(app).await;
        let run = office.email(app, true).await;
        let mut stream = office.ana.events(&run, Some(0)).await.expect("a stream");
        let _worker = app.worker().await;
        let mut events = until_field(&mut stream, "body").await;
        app.held(1).await;
        drop(stream);
        let elsewhere = app.user_elsewhere("One", "Ana");
        let late = elsewhere.events(&run, None).await.expect("a stream");
        let resumed = elsewhere.events(&run, events.last().map(|event| event.id)).await.expect("a stream");
        // Both are open before the rest comes: the snapshot is one of the middle.
        let mut late = late;
        let snapshot = late.next().await.expect("a snapshot");
        assert_eq!((snapshot.name.as_str(), &snapshot.data["text"]), ("run.snapshot", &Value::Null));
        app.back_to_normal().await;
        let (resumed, rest) = (resumed.rest().await, late.rest().await);

        let stored = stored_email(app, &run).await;
        let begun: BTreeMap<String, String> = serde_json::from_value(snapshot.data["fields"].clone()).expect("texts");
        assert!(!begun["body"].is_empty() && begun["body"].len() < stored["body"].len(), "it is held in mid body");
        assert!(begun.iter().all(|(field, text)| stored[field].starts_with(text)));
        assert_eq!(fields(&[vec![snapshot], rest].concat()), stored);
        events.extend(resumed);
        assert!(events.iter().map(|event| event.id).is_sorted_by(|a, b| a < b));
        assert_eq!(fields(&events), stored);
        let whole = office.ana.events(&run, Some(0)).await.expect("a stream").rest().await;
        let ids = |events: &[Event]| events.iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!(ids(&events), ids(&whole));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_whose_worker_dies_in_mid_field_is_told_anew() {
    TestApp::run(async |app| {
        let office = Office::of(app, "Ana Reyes").await;
        hold_in_the_body(app).await;
        let run = office.email(app, true).await;
        let mut stream = office.ana.events(&run, Some(0)).await.expect("a stream");
        let doomed = app.worker().await;
        let mut events = until_field(&mut stream, "body").await;
        app.held(1).await;
        doomed.kill().await;
        let _heir = app.worker().await;
        events.extend(stream.rest().await);
        let resets = events.iter().filter(|event| event.name == "output.reset");
        assert_eq!(resets.map(|event| event.data["reason"].clone()).collect::<Vec<_>>(), ["retry"]);
        assert_eq!(fields(&events), stored_email(app, &run).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_malformed_or_cut_answer_readers_forget_it_and_get_the_next_one_whole() {
    TestApp::run(async |app| {
        let office = Office::of(app, "Ana Reyes").await;
        // The newest rule comes first: cut in the body, then garbled, then as it should be.
        app.control(&json!({"malformed": true, "requests": 1})).await;
        app.control(&json!({"cut_after_tokens": 40, "requests": 1})).await;
        let run = office.email(app, true).await;
        let stream = office.ana.events(&run, Some(0)).await.expect("a stream");
        let _worker = app.worker().await;
        let events = stream.rest().await;
        assert_eq!(names(&events).last(), Some(&"run.completed"));
        let attempts = events.iter().filter(|event| event.name == "stage.started");
        assert_eq!(attempts.map(|event| event.data["attempt"].clone()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(names(&events).iter().filter(|name| **name == "output.reset").count(), 2);
        let first_reset = names(&events).iter().position(|name| *name == "output.reset").expect("a reset");
        assert!(fields(&events[..first_reset]).contains_key("body"), "the first attempt had come to its body");
        assert_eq!(fields(&events), stored_email(app, &run).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_what_a_guard_refuses_in_mid_field_leaves_and_what_left_before_is_taken_back() {
    TestApp::run(async |app| {
        let office = Office::of(app, "<script>alert(1)</script>").await;
        let run = office.email(app, true).await;
        let stream = office.ana.events(&run, Some(0)).await.expect("a stream");
        let _worker = app.worker().await;
        let events = stream.rest().await;
        let last = events.last().expect("an event");
        assert_eq!((last.name.as_str(), &last.data["run"]["error"]["code"]), ("run.failed", &json!("GUARD_BLOCKED")));
        assert_eq!(last.data["run"]["error"]["stage"], "llm");
        let reset = events.iter().find(|event| event.name == "output.reset").expect("a reset");
        assert_eq!(reset.data["reason"], "filtered");
        assert_eq!(fields(&events), BTreeMap::new());
        let told: String = events.iter().filter_map(|event| event.data["delta"].as_str()).collect();
        assert!(!told.is_empty() && !told.contains('<'), "{told}");
        let mut owner = app.db.owner().await;
        assert_eq!(owner.value::<i64>("SELECT count(*) FROM sales_emails").await, 0);
        let ledger = "SELECT concat_ws(' ', count(*), bool_and(success), bool_and(cost_cents > 0)) FROM provider_calls";
        assert_eq!(owner.value::<String>(ledger).await, "1 t t");

        // Tried again, the model is asked again: its next answer may be a better one.
        owner.run(&format!("UPDATE clients SET name = 'Ana Reyes' WHERE id = '{}'", office.client)).await;
        office.ana.post(&format!("/runs/{run}/retry"), &json!({})).await.expect(202);
        let again = office.ana.events(&run, Some(last.id)).await.expect("a stream").rest().await;
        assert_eq!(names(&again).last(), Some(&"run.failed"), "the client's name was read before");
        let calls: i64 = owner.value("SELECT count(*) FROM provider_calls").await;
        assert_eq!(calls, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_of_a_batch_has_a_snapshot_and_an_end_and_no_tokens() {
    TestApp::run(async |app| {
        let office = Office::of(app, "Ana Reyes").await;
        let run = office.email(app, false).await;
        let stream = office.ana.events(&run, None).await.expect("a stream");
        let _worker = app.worker().await;
        let live = stream.rest().await;
        let after = app.user_elsewhere("One", "Ana").events(&run, None).await.expect("a stream").rest().await;
        let stored = stored_email(app, &run).await;
        assert!(!stored.is_empty());
        for events in [&live, &after] {
            assert_eq!(events[0].data["text"], Value::Null);
            let end = events.last().expect("an event");
            assert_eq!((end.name.as_str(), &end.data["run"]["status"]), ("run.completed", &json!("completed")));
            assert!(!names(events).iter().any(|name| name.starts_with("output.") || *name == "stage.started"));
        }
        assert_eq!((names(&live)[0], fields(&live[..1])), ("run.snapshot", BTreeMap::new()));
        // Who comes after the end has what was stored, if anything of it.
        assert!(fields(&after).iter().all(|(field, text)| stored[field] == *text));
        assert_eq!(names(&after), ["run.snapshot", "run.completed"]);
        let end = live.last().map(|event| event.id);
        assert!(office.ana.events(&run, end).await.is_none(), "nothing comes after the end");
        let tokens = "SELECT count(*) FROM run_stream WHERE event LIKE 'output.%'";
        assert_eq!(app.db.owner().await.value::<i64>(tokens).await, 0);
    })
    .await;
}
