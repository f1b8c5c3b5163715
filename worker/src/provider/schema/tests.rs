//! What is sent, and what is taken.

use serde_json::json;

use super::{Schema, Shape, fit, line, list, member, text};

static ITEM: Shape = line("", 10);
static PAIR: Shape = Shape::Object(&[member("objection", line("", 10)), member("response", text("", 10))]);
static NOTE: Schema = Schema {
    name: "note",
    shape: Shape::Object(&[
        member("title", line("In a few words.", 12)),
        member("body", text("", 20)),
        member("tags", list("At least one.", &ITEM, 1, 2)),
        member("answers", list("", &PAIR, 0, 3)),
    ]),
};

fn good() -> serde_json::Value {
    json!({"title": "Hello", "body": "One\ntwo", "tags": ["a"], "answers": [{"objection": "Price", "response": "Value"}]})
}

fn fault(answer: &str) -> String {
    fit(&NOTE, answer).unwrap_err().to_string()
}

#[test]
fn the_schema_closes_every_object_and_keeps_the_order_of_its_members() {
    let sent = serde_json::to_string(&NOTE.shape).unwrap();
    let expected = r#"{"type":"object","properties":{"title":{"type":"string","description":"In a few words."},"body":{"type":"string"},"tags":{"type":"array","description":"At least one.","items":{"type":"string"}},"answers":{"type":"array","items":{"type":"object","properties":{"objection":{"type":"string"},"response":{"type":"string"}},"required":["objection","response"],"additionalProperties":false}}},"required":["title","body","tags","answers"],"additionalProperties":false}"#;
    assert_eq!(sent, expected);
}

#[test]
fn what_stands_around_the_json_is_left_alone() {
    let plain = good().to_string();
    for answer in [
        plain.clone(),
        format!("```json\n{plain}\n```"),
        format!("Sure {{here}} you are:\n\n{plain}\nAnything else?"),
        format!("\u{feff}  {plain}"),
    ] {
        assert_eq!(fit(&NOTE, &answer), Ok(good()), "{answer}");
    }
}

#[test]
fn texts_are_trimmed_and_their_lines_end_as_ours_do() {
    let mut loose = good();
    loose["title"] = "  Hello \n".into();
    loose["body"] = "\nOne\r\ntwo\t\r".into();
    assert_eq!(fit(&NOTE, &loose.to_string()), Ok(good()));
}

#[test]
fn every_member_must_be_there_and_no_other() {
    for name in ["title", "body", "tags", "answers"] {
        let mut short = good();
        short.as_object_mut().unwrap().remove(name);
        assert_eq!(fault(&short.to_string()), format!("{name} is missing"));
        let mut null = good();
        null[name] = serde_json::Value::Null;
        assert!(fault(&null.to_string()).starts_with(&format!("{name} is not a ")));
    }
    let mut more = good();
    more["canary"] = "x".into();
    assert_eq!(fault(&more.to_string()), "it has a field that was not asked for");
    let mut deep = good();
    deep["answers"][0].as_object_mut().unwrap().remove("response");
    assert_eq!(fault(&deep.to_string()), "answers[0].response is missing");
    deep["answers"][0]["response"] = "x".into();
    deep["answers"][0]["canary"] = "x".into();
    assert_eq!(fault(&deep.to_string()), "answers[0] has a field that was not asked for");
}

#[test]
fn a_fault_names_the_field_and_never_repeats_what_it_says() {
    for (pointer, value, expected) in [
        ("/title", json!(" \u{a0}\n"), "title is blank"),
        ("/title", json!("canary canary canary"), "title is longer than 12 characters"),
        ("/title", json!("can\nary"), "title is more than one line"),
        ("/title", json!(["canary"]), "title is not a text"),
        ("/body", json!("can\u{0}ary"), "body holds a NUL character"),
        ("/body", json!("can\u{1b}ary"), "body holds a control character"),
        ("/tags", json!([]), "tags has fewer than 1 items"),
        ("/tags", json!(["a", "b", "canary"]), "tags has more than 2 items"),
        ("/tags", json!("canary"), "tags is not a list"),
        ("/tags/0", json!(7), "tags[0] is not a text"),
        ("/answers/0", json!("canary"), "answers[0] is not an object"),
    ] {
        let mut bad = good();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert_eq!(fault(&bad.to_string()), expected);
    }
    for answer in ["", "canary", "[1]", "{\"title\": \"can", "null", "{}"] {
        assert!(!fault(answer).contains("can"), "{answer}");
    }
    assert_eq!(fault("canary"), "it is not a JSON object");
    assert_eq!(fault("{}"), "title is missing");
}

#[test]
fn an_answer_made_of_braces_is_given_up_soon() {
    assert_eq!(fault(&"{".repeat(200_000)), "it is not a JSON object");
    assert_eq!(fault(&"{\"a\":".repeat(50_000)), "it is not a JSON object");
}
