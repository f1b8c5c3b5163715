//! A chat completion's request: read leniently where OpenAI is lenient, refused in OpenAI's words
//! where it isn't.

use serde_json::{Map, Value};

use crate::refusal::WireError;
use crate::{pieces, schema};

/// One message of the conversation.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) role: String,
    pub(crate) content: String,
}

/// The shape that the answer shall have.
#[derive(Clone, Debug)]
pub(crate) enum Format {
    Text,
    /// Any JSON object.
    JsonObject,
    /// An object that satisfies this JSON Schema.
    Schema(Value),
}

/// A request that can be answered.
#[derive(Clone, Debug)]
pub(crate) struct ChatRequest {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stop: Vec<String>,
    pub(crate) format: Format,
}

const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];

impl ChatRequest {
    pub(crate) fn parse(body: &Value) -> Result<Self, WireError> {
        let Some(body) = body.as_object() else {
            return Err(WireError::unreadable());
        };
        let model = string(body, "model")?
            .filter(|model| !model.is_empty())
            .ok_or_else(|| WireError::invalid("you must provide a model parameter", None, None))?;
        let messages = messages(body)?;
        let stream = boolean(body, "stream")?.unwrap_or(false);
        decimal(body, "temperature", 2.0)?;
        decimal(body, "top_p", 1.0)?;
        if present(body, "n").is_some_and(|n| n != 1) {
            let message = "Invalid 'n': only a single choice is supported by this model.";
            return Err(WireError::invalid(message, Some("n"), Some("invalid_value")));
        }
        Ok(Self {
            format: format(body, &messages)?,
            model,
            messages,
            stream,
            include_usage: include_usage(body, stream)?,
            max_tokens: max_tokens(body)?,
            stop: stop(body)?,
        })
    }

    /// The prompt's tokens: its pieces and, as OpenAI counts, a frame around each message.
    pub(crate) fn prompt_tokens(&self) -> usize {
        Self::count(&self.messages)
    }

    /// The same of messages alone.
    pub(crate) fn count(messages: &[Message]) -> usize {
        let framed = |message: &Message| pieces::count(&message.content) + 4;
        messages.iter().map(framed).sum::<usize>() + 3
    }
}

/// A field that is there; `null` is as good as absent.
fn present<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn wrong_type(name: &str, expected: &str, got: &Value) -> WireError {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{name}': expected {expected}, but got {got} instead.");
    WireError::invalid(message, Some(name), Some("invalid_type"))
}

fn missing(name: &str) -> WireError {
    let message = format!("Missing required parameter: '{name}'.");
    WireError::invalid(message, Some(name), Some("missing_required_parameter"))
}

fn string(body: &Map<String, Value>, name: &str) -> Result<Option<String>, WireError> {
    match present(body, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong_type(name, "a string", other)),
    }
}

fn boolean(body: &Map<String, Value>, name: &str) -> Result<Option<bool>, WireError> {
    match present(body, name) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(wrong_type(name, "a boolean", other)),
    }
}

fn decimal(body: &Map<String, Value>, name: &str, most: f64) -> Result<(), WireError> {
    let Some(value) = present(body, name) else {
        return Ok(());
    };
    let Some(number) = value.as_f64() else {
        return Err(wrong_type(name, "a decimal", value));
    };
    let (bound, code) = if number < 0.0 {
        ("below minimum value. Expected a value >= 0".to_owned(), "decimal_below_min_value")
    } else if number > most {
        (format!("above maximum value. Expected a value <= {most}"), "decimal_above_max_value")
    } else {
        return Ok(());
    };
    let message = format!("Invalid '{name}': decimal {bound}, but got {value} instead.");
    Err(WireError::invalid(message, Some(name), Some(code)))
}

/// The newer name wins where both are given.
fn max_tokens(body: &Map<String, Value>) -> Result<Option<usize>, WireError> {
    for name in ["max_completion_tokens", "max_tokens"] {
        let Some(value) = present(body, name) else {
            continue;
        };
        let Some(number) = value.as_i64() else {
            return Err(wrong_type(name, "an integer", value));
        };
        return match usize::try_from(number) {
            Ok(number) if number >= 1 => Ok(Some(number)),
            _ => {
                let message = format!(
                    "Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {number} instead."
                );
                let code = Some("integer_below_min_value");
                Err(WireError::invalid(message, Some(name), code))
            }
        };
    }
    Ok(None)
}

fn include_usage(body: &Map<String, Value>, stream: bool) -> Result<bool, WireError> {
    let Some(options) = present(body, "stream_options") else {
        return Ok(false);
    };
    let Some(options) = options.as_object() else {
        return Err(wrong_type("stream_options", "an object", options));
    };
    if !stream {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(WireError::invalid(message, Some("stream_options"), None));
    }
    Ok(boolean(options, "include_usage")?.unwrap_or(false))
}

fn stop(body: &Map<String, Value>) -> Result<Vec<String>, WireError> {
    match present(body, "stop") {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text.clone()]),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| match item.as_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(wrong_type("stop", "a string", item)),
            })
            .collect(),
        Some(other) => Err(wrong_type("stop", "a string or an array of strings", other)),
    }
}

fn messages(body: &Map<String, Value>) -> Result<Vec<Message>, WireError> {
    let value = present(body, "messages").ok_or_else(|| missing("messages"))?;
    let Some(items) = value.as_array() else {
        return Err(wrong_type("messages", "an array of objects", value));
    };
    if items.is_empty() {
        let message =
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
        return Err(WireError::invalid(message, Some("messages"), Some("empty_array")));
    }
    items.iter().enumerate().map(|(at, item)| message(at, item)).collect()
}

fn message(at: usize, item: &Value) -> Result<Message, WireError> {
    let name = format!("messages[{at}]");
    let Some(object) = item.as_object() else {
        return Err(wrong_type(&name, "an object", item));
    };
    let param = format!("{name}.role");
    let role = match present(object, "role") {
        None => return Err(missing(&param)),
        Some(Value::String(role)) => role.clone(),
        Some(other) => return Err(wrong_type(&param, "a string", other)),
    };
    if !ROLES.contains(&role.as_str()) {
        let message = format!(
            "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
        );
        return Err(WireError::invalid(message, Some(&param), Some("invalid_value")));
    }
    let content = match present(object, "content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
            texts.join("\n")
        }
        // An assistant's turn may hold only tool calls.
        None if role == "assistant" => String::new(),
        Some(other) => {
            let param = format!("{name}.content");
            return Err(wrong_type(&param, "one of a string or array of objects", other));
        }
        None => {
            let param = format!("{name}.content");
            return Err(wrong_type(&param, "one of a string or array of objects", &Value::Null));
        }
    };
    Ok(Message { role, content })
}

fn format(body: &Map<String, Value>, messages: &[Message]) -> Result<Format, WireError> {
    let Some(format) = present(body, "response_format") else {
        return Ok(Format::Text);
    };
    let Some(object) = format.as_object() else {
        return Err(wrong_type("response_format", "an object", format));
    };
    match object.get("type").and_then(Value::as_str) {
        Some("text") => Ok(Format::Text),
        Some("json_object") => {
            if messages.iter().any(|message| message.content.to_lowercase().contains("json")) {
                return Ok(Format::JsonObject);
            }
            let message =
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
            Err(WireError::invalid(message, Some("messages"), None))
        }
        Some("json_schema") => json_schema(object),
        Some(other) => {
            let message =
                format!("Invalid value: '{other}'. Supported values are: 'json_object', 'json_schema', and 'text'.");
            let param = Some("response_format.type");
            Err(WireError::invalid(message, param, Some("invalid_value")))
        }
        None => Err(missing("response_format.type")),
    }
}

fn json_schema(format: &Map<String, Value>) -> Result<Format, WireError> {
    let param = "response_format.json_schema";
    let wrapper = match present(format, "json_schema") {
        None => return Err(missing(param)),
        Some(Value::Object(wrapper)) => wrapper,
        Some(other) => return Err(wrong_type(param, "an object", other)),
    };
    let name = wrapper.get("name").and_then(Value::as_str);
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(missing("response_format.json_schema.name"));
    };
    let Some(schema) = present(wrapper, "schema") else {
        return Err(missing("response_format.json_schema.schema"));
    };
    let strict = wrapper.get("strict").and_then(Value::as_bool).unwrap_or(false);
    if let Err(fault) = schema::check(schema, strict) {
        let message = format!("Invalid schema for response_format '{name}': {fault}");
        return Err(WireError::invalid(message, Some("response_format"), None));
    }
    Ok(Format::Schema(schema.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(body: Value) -> (String, Option<String>, Option<&'static str>) {
        let error = ChatRequest::parse(&body).unwrap_err();
        assert_eq!(error.status, 400);
        (error.message, error.param, error.code)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body[name] = value;
        body
    }

    #[test]
    fn what_openai_tolerates_is_tolerated() {
        let body = json!({
            "model": "m", "tools": [], "seed": 4, "user": null, "unheard_of": {"a": 1}, "max_tokens": null,
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
                {"role": "assistant", "content": null, "tool_calls": []},
                {"role": "user", "content": "b", "name": "ana"},
            ],
        });
        let request = ChatRequest::parse(&body).unwrap();
        assert_eq!(request.messages[0].content, "a");
        assert_eq!(request.prompt_tokens(), 1 + 1 + 3 * 4 + 3);
        assert!(!request.stream);
    }

    #[test]
    fn the_newer_bound_on_tokens_wins() {
        let mut body = with("max_tokens", json!(5));
        assert_eq!(ChatRequest::parse(&body).unwrap().max_tokens, Some(5));
        body["max_completion_tokens"] = json!(3);
        assert_eq!(ChatRequest::parse(&body).unwrap().max_tokens, Some(3));
    }

    #[test]
    fn bad_fields_are_named() {
        let cases = [
            (with("model", Value::Null), None),
            (with("messages", json!([])), Some("messages")),
            (with("messages", Value::Null), Some("messages")),
            (with("messages", json!("hi")), Some("messages")),
            (with("messages", json!([{"role": "boss", "content": ""}])), Some("messages[0].role")),
            (with("messages", json!([{"role": "user"}])), Some("messages[0].content")),
            (with("messages", json!([{"role": "user", "content": 4}])), Some("messages[0].content")),
            (with("temperature", json!(2.5)), Some("temperature")),
            (with("temperature", json!(-1)), Some("temperature")),
            (with("temperature", json!("hot")), Some("temperature")),
            (with("max_tokens", json!(0)), Some("max_tokens")),
            (with("max_tokens", json!(1.5)), Some("max_tokens")),
            (with("stream", json!("yes")), Some("stream")),
            (with("stream_options", json!({"include_usage": true})), Some("stream_options")),
            (with("n", json!(2)), Some("n")),
            (with("stop", json!(3)), Some("stop")),
            (with("response_format", json!({"type": "xml"})), Some("response_format.type")),
            (with("response_format", json!({"type": "json_object"})), Some("messages")),
            (
                with("response_format", json!({"type": "json_schema", "json_schema": {"schema": {}}})),
                Some("response_format.json_schema.name"),
            ),
            (
                with(
                    "response_format",
                    json!({"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {"type": "object"}}}),
                ),
                Some("response_format"),
            ),
        ];
        for (body, param) in cases {
            assert_eq!(refused(body.clone()).1.as_deref(), param, "{body}");
        }
    }
}
