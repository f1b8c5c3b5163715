use super::*;
use crate::prompt::Prompt;
use crate::prompt::tests::{SYSTEM, message};

fn filled(schema: Value) -> Value {
    let messages = [message("system", SYSTEM), message("user", "Write it")];
    let prompt = Prompt::read(&messages);
    fill(&schema, &mut Writer::new(&prompt, &messages))
}

#[test]
fn every_type_is_filled_within_its_bounds() {
    let value = filled(json!({"type": "object", "properties": {
        "subject": {"type": "string", "maxLength": 20},
        "body": {"type": "string", "minLength": 900},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "fixed": {"const": 7},
        "score": {"type": "integer", "minimum": 10, "maximum": 11},
        "low": {"type": "integer", "maximum": -4},
        "five": {"type": "integer", "multipleOf": 5, "minimum": 6},
        "share": {"type": "number", "minimum": 0.25, "maximum": 0.5},
        "between": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "sent": {"type": "boolean"},
        "points": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 4},
        "one": {"type": "array", "items": {"type": "integer"}, "maxItems": 1},
        "reply_to": {"type": "string", "format": "email"},
        "maybe": {"type": ["string", "null"]},
        "either": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
        "nested": {"type": "object", "properties": {"name": {"type": "string"}}},
    }, "required": ["undeclared"]}));
    assert!(value["subject"].as_str().unwrap().chars().count() <= 20);
    assert!(value["body"].as_str().unwrap().chars().count() >= 900);
    assert!(["a", "b"].contains(&value["kind"].as_str().unwrap()));
    assert_eq!(value["fixed"], 7);
    assert!((10..=11).contains(&value["score"].as_i64().unwrap()));
    assert!(value["low"].as_i64().unwrap() <= -4);
    let five = value["five"].as_i64().unwrap();
    assert!(five >= 6 && five % 5 == 0);
    assert!((0.25..=0.5).contains(&value["share"].as_f64().unwrap()));
    let between = value["between"].as_f64().unwrap();
    assert!(between > 0.0 && between < 1.0);
    assert!(value["sent"].is_boolean());
    assert_eq!(value["points"].as_array().unwrap().len(), 3);
    assert_eq!(value["one"].as_array().unwrap().len(), 1);
    assert!(value["reply_to"].as_str().unwrap().contains('@'));
    assert!(value["maybe"].is_string());
    assert!(value["either"].is_i64());
    assert!(value["map"].as_object().unwrap().values().all(Value::is_i64));
    assert_eq!(value["nested"]["name"], "Ana Reyes");
    assert!(value["undeclared"].is_string());
}

#[test]
fn references_and_all_of_are_followed() {
    let value = filled(json!({
        "$defs": {"point": {"type": "object", "properties": {"title": {"type": "string"}}}},
        "type": "object",
        "properties": {
            "points": {"type": "array", "items": {"$ref": "#/$defs/point"}},
            "both": {"allOf": [
                {"$ref": "#/$defs/point"},
                {"properties": {"count": {"type": "integer"}}},
            ]},
        },
    }));
    assert!(value["points"][1]["title"].is_string());
    assert!(value["both"]["title"].is_string() && value["both"]["count"].is_i64());
}

#[test]
fn endless_schemas_end() {
    let tree = filled(json!({
        "type": "object",
        "properties": {
            "children": {"type": "array", "items": {"$ref": "#"}},
            "parent": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
        "required": ["children", "parent"],
    }));
    assert!(tree["children"].is_array());
    filled(json!({"$ref": "#"}));
    filled(json!({"anyOf": [{"$ref": "#"}]}));
    filled(json!({"type": "array", "minItems": u64::MAX}));
    filled(json!({"type": "string", "minLength": u64::MAX}));
}

#[test]
fn strict_schemas_are_held_to_openais_rules() {
    let closed = json!({
        "type": "object", "additionalProperties": false, "required": ["a"],
        "properties": {"a": {"type": "object", "additionalProperties": false, "properties": {}}},
    });
    assert_eq!(check(&closed, true), Ok(()));
    let mut open = closed.clone();
    open["properties"]["a"]["additionalProperties"] = json!(true);
    assert_eq!(check(&open, false), Ok(()));
    let fault = check(&open, true).unwrap_err();
    assert!(fault.starts_with("In context=('properties', 'a'), 'additionalProperties'"), "{fault}");
    let mut optional = closed.clone();
    optional["required"] = json!([]);
    assert!(check(&optional, true).unwrap_err().ends_with("Missing 'a'."));
    assert!(check(&json!({"type": "array"}), false).is_err());
    assert!(check(&json!({"type": "object", "properties": {"a": {"type": "text"}}}), false).is_err());
    assert!(check(&json!("object"), false).is_err());
}

#[test]
fn a_schema_is_found_in_a_text() {
    let text = r#"Use {{name}}. Like {"a": 1} but {"type": "object", "properties": {}}!"#;
    assert!(find(text).is_some());
    assert!(find("no { schema } here").is_none());
}
