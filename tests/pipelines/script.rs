//! A script from what was asked for to the stored version.

use hellosales_core::ScriptVersionId;
use hellosales_core::content::script::ScriptType;
use hellosales_core::pipeline::ScriptInput;
use serde_json::{Value, json};

use super::bench::Bench;
use super::written::{plain_script, script};

const TYPES: [ScriptType; 5] =
    [ScriptType::ColdCall, ScriptType::FollowUp, ScriptType::Demo, ScriptType::Closing, ScriptType::General];

async fn versions(bench: &Bench<'_>, input: &ScriptInput) -> Vec<Value> {
    let sql = format!(
        "SELECT to_jsonb(s)::text FROM sales_scripts s WHERE script_id = '{}' ORDER BY version",
        input.script_id
    );
    bench.column(&sql).await.iter().map(|row| serde_json::from_str(row).expect("a row")).collect()
}

#[tokio::test]
async fn a_script_has_all_of_its_fields_and_objections_by_what_they_say() {
    Bench::run(async |bench| {
        let input = script(bench, "Half an hour.").await;
        bench.sql(r#"UPDATE clients SET objection_patterns = '["the price", "a change of tools"]'"#).await;
        let run = bench.submit(&input).await;
        bench.drain().await;
        assert_eq!(bench.status_of(run).await, "completed");
        let row = versions(bench, &input).await.pop().expect("a version");
        let content = row["content"].as_str().expect("a text");
        for words in ["Opening\n", "Ana", "Sam Seller", "Beacon"] {
            assert!(content.contains(words), "{words}: {content}");
        }
        for list in ["key_talking_points", "discovery_questions", "closing_techniques"] {
            let items = row[list].as_array().expect("a list");
            assert!(
                items.len() >= 2 && items.iter().all(|item| item.as_str().is_some_and(|item| item.len() > 10)),
                "{row}"
            );
        }
        let handlers = row["objection_handlers"].as_object().expect("an object");
        assert!(!handlers.is_empty() && handlers.values().all(Value::is_string), "{row}");
        assert!(handlers.keys().any(|said| said.contains("price") || said.contains("change of tools")), "{row}");
        let kept = json!([row["name"], row["script_type"], row["prompt_version"], row["origin"], row["warnings"]]);
        assert_eq!(kept, json!(["Demo script for Ana Reyes (Globex)", "demo", "script@1", "generated", []]));
        assert_eq!(row["id"], json!(ScriptVersionId::derived(run, "persist", 0)));
    })
    .await;
}

#[tokio::test]
async fn each_type_of_script_asks_for_something_of_its_own() {
    Bench::run(async |bench| {
        let craft = [
            "honest that it is a cold call",
            "Where we stand: one",
            "what to show (in round brackets",
            "After a not yet",
            "finds out whether it fits",
        ];
        for (n, script_type) in TYPES.into_iter().enumerate() {
            let input = plain_script(script_type);
            let run = bench.submit(&input).await;
            bench.drain().await;
            let (_, rules) = bench.told(run).await.swap_remove(0);
            for (k, words) in craft.iter().enumerate() {
                assert_eq!(rules.contains(words), n == k, "{script_type:?}: {words}");
            }
            let row = versions(bench, &input).await.pop().expect("a version");
            assert_eq!((&row["script_type"], &row["product_id"]), (&json!(script_type.as_str()), &Value::Null));
        }
    })
    .await;
}

#[tokio::test]
async fn a_scripts_fault_names_the_item() {
    Bench::run(async |bench| {
        let input = script(bench, "Short").await;
        bench.control(json!({"schema_fault": "missing_field", "requests": 1})).await;
        let run = bench.submit(&input).await;
        bench.drain().await;
        assert!(versions(bench, &input).await.is_empty());
        bench.hurry(run).await;
        bench.drain().await;
        let (_, task) = bench.told(run).await.swap_remove(1);
        assert!(task.contains("It could not be used: the answer does not fit: content is missing."), "{task}");
        assert_eq!(versions(bench, &input).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_regenerated_script_is_its_next_version_and_the_model_saw_the_one_before() {
    Bench::run(async |bench| {
        let first = script(bench, "Short").await;
        bench.submit(&first).await;
        bench.drain().await;
        let before = versions(bench, &first).await.swap_remove(0);
        let previous: ScriptVersionId = before["id"].as_str().expect("an id").parse().expect("an id");
        let run = bench.submit(&ScriptInput { previous: Some(previous), instructions: None, ..first.clone() }).await;
        bench.drain().await;
        let (_, task) = bench.told(run).await.swap_remove(1);
        assert!(task.contains("## Previous version\ncontent:\n| Opening\n"), "{task}");
        assert!(task.contains("\nobjection_handlers:\n| "), "{task}");
        assert!(task.ends_with("## Instructions\n> Write a better version of it."), "{task}");
        let rows = versions(bench, &first).await;
        assert_eq!((rows.len(), &rows[1]["parent_script_id"], &rows[1]["version"]), (2, &json!(previous), &json!(2)));
    })
    .await;
}
