//! Gemini's request, as one that can be answered; refused in Google's words where it can't.

use serde_json::{Map, Value};

use super::schema;
use crate::refusal::WireError;
use crate::request::{ChatRequest, Format, Message};

/// What a request may hold. Anything else is refused, as Google does.
const MEMBERS: [&str; 11] = [
    "contents",
    "systemInstruction",
    "system_instruction",
    "generationConfig",
    "generation_config",
    "safetySettings",
    "tools",
    "toolConfig",
    "cachedContent",
    "model",
    "serviceTier",
];
const CONFIG: [&str; 23] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "responseModalities",
    "responseFormat",
    "thinkingConfig",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "seed",
    "mediaResolution",
    "speechConfig",
    "imageConfig",
    "audioTimestamp",
    "enableEnhancedCivicAnswers",
];

type Object = Map<String, Value>;

pub(super) fn parse(model: &str, stream: bool, body: Option<&Value>) -> Result<ChatRequest, WireError> {
    let Some(body) = body.and_then(Value::as_object) else {
        return Err(refused("Invalid JSON payload received. Expected a value."));
    };
    unknown(body, &MEMBERS, "")?;
    let messages = messages(Some(body))?;
    let empty = Object::new();
    let config = member(body, ["generationConfig", "generation_config"]);
    let config = match config {
        None => &empty,
        Some(config) => config.as_object().ok_or_else(|| wrong("generation_config", config))?,
    };
    unknown(config, &CONFIG, " at 'generation_config'")?;
    bound(config, "temperature", 2.0)?;
    bound(config, "topP", 1.0)?;
    if config.get("candidateCount").is_some_and(|count| count != 1) {
        return Err(refused("Multiple candidates is not enabled for this model"));
    }
    Ok(ChatRequest {
        model: model.to_owned(),
        messages,
        stream,
        include_usage: true,
        max_tokens: max_tokens(config)?,
        stop: stop(config)?,
        format: format(config)?,
    })
}

/// What was said, in the roles that other dialects know.
pub(super) fn messages(body: Option<&Object>) -> Result<Vec<Message>, WireError> {
    let contents = body.and_then(|body| body.get("contents"));
    let contents: &[Value] = match contents {
        Some(Value::Array(contents)) => contents,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        Some(other) if !other.is_null() => return Err(wrong("contents", other)),
        _ => &[],
    };
    if contents.is_empty() {
        return Err(refused("* GenerateContentRequest.contents: contents is not specified\n"));
    }
    let system = body.and_then(|body| member(body, ["systemInstruction", "system_instruction"]));
    let mut messages = Vec::new();
    if let Some(system) = system {
        messages.push(Message { role: "system".to_owned(), content: text("system_instruction", system)? });
    }
    for (at, content) in contents.iter().enumerate() {
        let role = match content.get("role").and_then(Value::as_str) {
            None | Some("" | "user" | "function") => "user",
            Some("model") => "assistant",
            Some(_) => return Err(refused("Please use a valid role: user, model.")),
        };
        messages.push(Message { role: role.to_owned(), content: text(&format!("contents[{at}]"), content)? });
    }
    Ok(messages)
}

fn text(name: &str, content: &Value) -> Result<String, WireError> {
    let parts = content.get("parts").ok_or_else(|| {
        refused(&format!("* GenerateContentRequest.{name}.parts: contents.parts must not be empty.\n"))
    })?;
    let parts = match parts {
        Value::Array(parts) => parts.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut texts = Vec::new();
    for part in parts {
        match part.get("text") {
            Some(Value::String(text)) => texts.push(text.as_str()),
            Some(other) => return Err(wrong(&format!("{name}.parts[0].text"), other)),
            // Pictures and calls of functions are taken, and not looked at.
            None if part.as_object().is_some_and(|part| !part.is_empty()) => {}
            None => {
                let message = format!(
                    "* GenerateContentRequest.{name}.parts[0].data: required oneof field 'data' must have one initialized field\n"
                );
                return Err(refused(&message));
            }
        }
    }
    Ok(texts.join("\n"))
}

/// Google takes both spellings.
fn member<'a>(body: &'a Object, names: [&str; 2]) -> Option<&'a Value> {
    names.iter().find_map(|name| body.get(*name)).filter(|value| !value.is_null())
}

fn refused(message: &str) -> WireError {
    WireError::invalid(message, None, None)
}

fn wrong(name: &str, got: &Value) -> WireError {
    refused(&format!("Invalid value at '{name}', {got}"))
}

fn unknown(object: &Object, known: &[&str], place: &str) -> Result<(), WireError> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            Err(refused(&format!("Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field.")))
        }
        None => Ok(()),
    }
}

fn bound(config: &Object, name: &str, most: f64) -> Result<(), WireError> {
    let Some(value) = config.get(name) else { return Ok(()) };
    let number = value.as_f64().ok_or_else(|| wrong(&format!("generation_config.{name}"), value))?;
    if (0.0..=most).contains(&number) {
        return Ok(());
    }
    Err(refused(&format!(
        "* GenerateContentRequest.generation_config.{name}: {name} must be in the range [0.0, {most:.1}].\n"
    )))
}

fn max_tokens(config: &Object) -> Result<Option<usize>, WireError> {
    let Some(value) = config.get("maxOutputTokens") else { return Ok(None) };
    let number = value.as_i64().ok_or_else(|| wrong("generation_config.max_output_tokens", value))?;
    match usize::try_from(number) {
        Ok(number) if number >= 1 => Ok(Some(number)),
        _ => Err(refused(
            "* GenerateContentRequest.generation_config.max_output_tokens: max_output_tokens must be positive.\n",
        )),
    }
}

fn stop(config: &Object) -> Result<Vec<String>, WireError> {
    let Some(value) = config.get("stopSequences") else { return Ok(Vec::new()) };
    let all =
        || -> Option<Vec<String>> { value.as_array()?.iter().map(|stop| stop.as_str().map(str::to_owned)).collect() };
    all().ok_or_else(|| wrong("generation_config.stop_sequences", value))
}

fn format(config: &Object) -> Result<Format, WireError> {
    let kind = config.get("responseMimeType").and_then(Value::as_str).unwrap_or("text/plain");
    let open = config.get("responseSchema").map(schema::of_open_api);
    let schema = open.or_else(|| config.get("responseJsonSchema").or(config.get("_responseJsonSchema")).cloned());
    match (kind, schema) {
        ("application/json", None) => Ok(Format::JsonObject),
        ("application/json", Some(schema)) => match crate::schema::check_any(&schema) {
            Ok(()) => Ok(Format::Schema(schema)),
            Err(fault) => Err(refused(&format!("Invalid value at 'generation_config.response_schema': {fault}"))),
        },
        ("text/plain", None) => Ok(Format::Text),
        ("text/plain", Some(_)) => Err(refused(
            "* GenerateContentRequest.generation_config.response_mime_type: response_schema is only supported for JSON and enum mime types\n",
        )),
        (other, _) => Err(refused(&format!(
            "* GenerateContentRequest.generation_config.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, `application/xml`, `application/yaml` and `text/x.enum`; {other} is not answered here\n"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<ChatRequest, WireError> {
        parse("gemini-2.5-flash", true, Some(&body))
    }

    #[test]
    fn what_was_said_is_read_in_the_roles_of_all() {
        let request = read(json!({
            "systemInstruction": {"parts": [{"text": "You help."}, {"text": "Be short."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]},
                {"parts": {"text": "And?"}},
            ],
            "generationConfig": {"temperature": 0.4, "maxOutputTokens": 9, "stopSequences": ["."]},
        }))
        .unwrap();
        let said: Vec<_> = request.messages.iter().map(|m| (m.role.as_str(), m.content.as_str())).collect();
        let expected = [("system", "You help.\nBe short."), ("user", "Hi"), ("assistant", "Hello"), ("user", "And?")];
        assert_eq!(said, expected);
        assert_eq!((request.max_tokens, request.stop.as_slice()), (Some(9), &[".".to_owned()][..]));
    }

    #[test]
    fn a_schema_is_read_in_both_spellings() {
        let asked = |config: Value| {
            read(json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": config})).map(|read| read.format)
        };
        let json = json!({"type": "array", "items": {"type": "string"}});
        for config in [
            json!({"responseMimeType": "application/json", "responseJsonSchema": json}),
            json!({"responseMimeType": "application/json", "responseSchema": {"type": "ARRAY", "items": {"type": "STRING"}}}),
        ] {
            let Format::Schema(schema) = asked(config).unwrap() else { panic!("no schema") };
            assert_eq!(schema, json);
        }
        assert!(matches!(asked(json!({"responseMimeType": "application/json"})), Ok(Format::JsonObject)));
        assert!(asked(json!({"responseSchema": {"type": "STRING"}})).is_err());
    }

    #[test]
    fn what_google_refuses_is_refused() {
        let contents = json!([{"parts": [{"text": "x"}]}]);
        for bad in [
            json!([]),
            json!({}),
            json!({"contents": []}),
            json!({"contents": "x"}),
            json!({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}),
            json!({"contents": [{"role": "user"}]}),
            json!({"contents": [{"parts": [{}]}]}),
            json!({"contents": [{"parts": [{"text": 7}]}]}),
            json!({"contents": contents, "messages": []}),
            json!({"contents": contents, "generationConfig": {"max_tokens": 7}}),
            json!({"contents": contents, "generationConfig": {"temperature": 2.5}}),
            json!({"contents": contents, "generationConfig": {"maxOutputTokens": 0}}),
            json!({"contents": contents, "generationConfig": {"stopSequences": "."}}),
            json!({"contents": contents, "generationConfig": {"candidateCount": 2}}),
            json!({"contents": contents, "generationConfig": {"responseMimeType": "text/html"}}),
            json!({"contents": contents, "generationConfig": {"responseMimeType": "application/json", "responseSchema": {"type": "TEXT"}}}),
        ] {
            let error = read(bad.clone()).expect_err(&bad.to_string());
            assert_eq!(error.status, 400, "{bad}");
        }
    }
}
