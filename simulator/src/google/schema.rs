//! OpenAPI's schemas, as Gemini takes them, in the words of JSON Schema.

use serde_json::{Map, Value};

/// Numbers that Google writes as texts.
const COUNTS: [&str; 6] = ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];
/// What JSON Schema doesn't know, and nothing is filled by.
const LEFT_OUT: [&str; 4] = ["nullable", "propertyOrdering", "example", "title"];

pub(super) fn of_open_api(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut json = Map::new();
    for (name, value) in schema.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())) {
        let value = match (name.as_str(), value) {
            ("type", Value::String(kind)) => Value::String(kind.to_lowercase()),
            ("properties" | "$defs", Value::Object(members)) => {
                members.iter().map(|(name, member)| (name.clone(), of_open_api(member))).collect()
            }
            ("anyOf" | "prefixItems", Value::Array(all)) => all.iter().map(of_open_api).collect(),
            ("items" | "additionalProperties", inner) => of_open_api(inner),
            (name, Value::String(count)) if COUNTS.contains(&name) => {
                count.parse::<u64>().map_or_else(|_| value.clone(), Value::from)
            }
            _ => value.clone(),
        };
        json.insert(name.clone(), value);
    }
    Value::Object(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_counts_and_nested_schemas_are_turned() {
        let open = json!({"type": "OBJECT", "propertyOrdering": ["b", "a"], "required": ["a"], "properties": {
            "a": {"type": "ARRAY", "minItems": "3", "items": {"type": "STRING", "enum": ["ONE"]}},
            "title": {"anyOf": [{"type": "INTEGER", "nullable": true}, {"type": "NULL"}]},
        }});
        let json = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "array", "minItems": 3, "items": {"type": "string", "enum": ["ONE"]}},
            "title": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        }});
        assert_eq!(of_open_api(&open), json);
    }
}
