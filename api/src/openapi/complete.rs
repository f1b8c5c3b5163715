//! What is true of every route, or of every schema, and so isn't said at each: added to the generated document.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

const SCHEMAS: &str = "#/components/schemas/";

/// Completes a document.
pub(super) fn complete(mut document: Value) -> Value {
    let mut inputs = HashSet::new();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (method, operation) in paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut).flatten() {
        inputs.extend(input(operation));
        answers(method, operation);
        parameters(operation);
    }
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    let Some(schemas) = schemas else { return document };
    let mut to_look: Vec<String> = inputs.iter().cloned().collect();
    while let Some(name) = to_look.pop() {
        let inner = schemas.get(&name).map(references).unwrap_or_default();
        to_look.extend(inner.into_iter().filter(|name| inputs.insert(name.clone())));
    }
    for (name, schema) in schemas {
        if inputs.contains(name) {
            closed(schema);
        } else {
            whole(schema);
        }
    }
    document
}

/// The schema of an operation's body.
fn input(operation: &Value) -> Option<String> {
    let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref")?;
    schema.as_str()?.strip_prefix(SCHEMAS).map(str::to_owned)
}

/// What any route may answer, and that a problem is problem+json.
fn answers(method: &str, operation: &mut Value) {
    let is_open = operation.get("security").is_some();
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    let mut more: Vec<&str> = Vec::new();
    if !is_open {
        more.extend(["400", "401", "403", "422"]);
        if matches!(method, "post" | "put" | "patch") {
            more.extend(["413", "415"]);
        }
    }
    for status in more {
        responses.entry(status).or_insert_with(|| json!({"description": ""}));
    }
    responses.entry("default").or_insert_with(|| json!({"description": "any other problem"}));
    for (status, response) in responses {
        let code = status.parse::<u16>().ok().and_then(|code| StatusCode::from_u16(code).ok());
        if code.is_some_and(|code| code.as_u16() < 400) {
            continue;
        }
        let Some(response) = response.as_object_mut() else { continue };
        let schema = json!({"$ref": format!("{SCHEMAS}ProblemBody")});
        response.insert("content".to_owned(), json!({"application/problem+json": {"schema": schema}}));
        if let Some(reason) = code.and_then(|code| code.canonical_reason()) {
            response.insert("description".to_owned(), json!(reason));
        }
    }
}

/// A parameter may be left out; it can't be null.
fn parameters(operation: &mut Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for kind in parameters.into_iter().flatten().filter_map(|parameter| parameter.pointer_mut("/schema/type")) {
        let only = kind.as_array().and_then(|kinds| kinds.iter().find(|kind| *kind != "null")).cloned();
        *kind = only.unwrap_or_else(|| kind.take());
    }
}

/// Of what is sent to us: unknown members are refused.
fn closed(schema: &mut Value) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
}

/// The schemas that a schema names, wherever in it.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let named = members.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(SCHEMAS));
            named.map(str::to_owned).into_iter().chain(members.values().flat_map(references)).collect()
        }
        Value::Array(parts) => parts.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Of what we send: every key is always there, also in what a list holds.
fn whole(schema: &mut Value) {
    for part in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get_mut(part).and_then(Value::as_array_mut).into_iter().flatten() {
            whole(part);
        }
    }
    if let Some(items) = schema.get_mut("items") {
        whole(items);
    }
    for property in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
        whole(property);
    }
    let names: Option<Vec<Value>> =
        schema.get("properties").and_then(Value::as_object).map(|all| all.keys().map(|name| json!(name)).collect());
    if let (Some(names), Some(schema)) = (names, schema.as_object_mut()) {
        schema.insert("required".to_owned(), json!(names));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_all_routes_is_said_at_each() {
        let done = complete(json!({
            "paths": {"/x": {"post": {
                "parameters": [{"name": "If-Match", "schema": {"type": ["string", "null"]}}, {"name": "id", "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewX"}}}},
                "responses": {"201": {"content": {"application/json": {}}}, "404": {"content": {"application/json": {}}}}
            }, "get": {"security": [{}], "responses": {"200": {}}}}},
            "components": {"schemas": {
                "NewX": {"properties": {"a": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/PartOfX"}]}}, "required": []},
                "PartOfX": {"properties": {"c": {}}},
                "X": {"properties": {"a": {}, "b": {}}, "required": ["a"]},
                "ListOfX": {"properties": {"data": {"type": "array", "items": {"properties": {"a": {}, "b": {}}, "required": ["a"]}}}}
            }}
        }));
        let answers = |method: &str| {
            let all = done["paths"]["/x"][method]["responses"].as_object().unwrap();
            all.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(answers("post"), ["201", "400", "401", "403", "404", "413", "415", "422", "default"]);
        assert_eq!(answers("get"), ["200", "default"]);
        for parameter in done["paths"]["/x"]["post"]["parameters"].as_array().unwrap() {
            assert_eq!(parameter["schema"]["type"], "string");
        }
        let post = &done["paths"]["/x"]["post"]["responses"];
        assert!(post["404"]["content"].get("application/problem+json").is_some());
        assert!(post["404"]["content"].get("application/json").is_none());
        assert!(post["201"]["content"].get("application/json").is_some());
        let schemas = &done["components"]["schemas"];
        assert_eq!(
            (&schemas["NewX"]["additionalProperties"], &schemas["NewX"]["required"]),
            (&json!(false), &json!([]))
        );
        // What stands in a body is as closed as the body, and none of it is asked for.
        assert_eq!(
            (&schemas["PartOfX"]["additionalProperties"], schemas["PartOfX"].get("required")),
            (&json!(false), None)
        );
        assert_eq!(schemas["X"]["required"], json!(["a", "b"]));
        assert_eq!(schemas["ListOfX"]["properties"]["data"]["items"]["required"], json!(["a", "b"]));
    }
}
