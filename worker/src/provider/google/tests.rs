//! An answer as it should be, and the ends that only Gemini knows: what is sent, and what is read.

use serde_json::{Value, json};

use super::super::schema::{Schema, Shape, line, list, member};
use super::super::testing::{QUICK, STREAM, World, ask, raw, request, status};
use super::super::{Finish, Llm, LlmRequest, Message, ProviderError, Speaker, Usage};
use super::{Google, GoogleConfig, JsonMode};

fn client_for(base: &str, json: JsonMode) -> Google {
    let (provider, base_url) = ("google".to_owned(), base.parse().unwrap());
    let api_key = "AIza-canary".to_owned().into();
    Google::new(GoogleConfig { provider, base_url, api_key, timeouts: QUICK, json }).unwrap()
}

fn client(base: &str) -> Google {
    client_for(base, JsonMode::Schema)
}

fn whole(model: &str) -> LlmRequest {
    LlmRequest { stream: false, ..request(model) }
}

fn event(chunk: &Value) -> String {
    format!("data: {chunk}\r\n\r\n")
}

fn finish(reason: &str) -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": reason}]})
}

async fn streamed(chunks: &[Value]) -> super::super::testing::Heard {
    let body: String = chunks.iter().map(event).collect();
    let (base, _server) = raw(format!("{STREAM}{body}")).await;
    ask(&client(&base), request("m")).await
}

#[tokio::test]
async fn an_answer_comes_with_its_usage_and_its_finish_streamed_or_as_one() {
    let world = World::start().await;
    let streamed = ask(&client(&world.url), request("gemini-2.5-flash")).await;
    let whole = ask(&client(&world.url), whole("gemini-2.5-flash")).await;
    assert_eq!((&whole.text, whole.usage, &whole.end), (&streamed.text, streamed.usage, &streamed.end));
    assert_eq!(streamed.end, Ok(Finish::Stop));
    assert!(streamed.text.len() > 20 && streamed.usage.is_some_and(|usage| usage.tokens_in > 0));
    let mut short = request("gemini-2.5-flash");
    short.max_tokens = Some(3);
    let heard = ask(&client(&world.url), short).await;
    assert_eq!((heard.end, heard.usage.map(|usage| usage.tokens_out)), (Ok(Finish::Length), Some(3)));
    let log = world.log().await;
    let paths: Vec<_> = log.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    let place = "/v1beta/models/gemini-2.5-flash";
    assert_eq!(paths[..2], [format!("{place}:streamGenerateContent"), format!("{place}:generateContent")]);
    assert!(log.as_array().unwrap().iter().all(|entry| entry["dialect"] == "google"));
}

#[tokio::test]
async fn the_same_prompt_has_the_same_answer_in_every_dialect_of_the_simulator() {
    use super::super::openai::{OpenAi, OpenAiConfig};
    let world = World::start().await;
    let base_url = format!("{}/v1", world.url).parse().unwrap();
    let api_key = Some("k".to_owned().into());
    let (provider, json, timeouts) = ("test".to_owned(), JsonMode::Schema, QUICK);
    let openai = OpenAi::new(OpenAiConfig { provider, base_url, api_key, timeouts, json }).unwrap();
    let (one, other) = (ask(&openai, request("m")).await, ask(&client(&world.url), request("m")).await);
    assert_eq!((one.text, one.usage), (other.text, other.usage));
}

#[tokio::test]
async fn the_request_carries_the_key_in_its_header_and_the_prompt_in_geminis_shape() {
    static SCHEMA: Schema = Schema {
        name: "note",
        shape: Shape::Object(&[member("title", line("Short.", 10)), member("points", list("", &line("", 20), 1, 3))]),
    };
    let (base, server) = raw(status("200 OK", "", &finish("STOP").to_string())).await;
    let mut asked = whole("gemini-2.5-flash");
    asked.schema = Some(&SCHEMA);
    asked.messages.push(Message { role: Speaker::Assistant, content: "Like this.".to_owned() });
    asked.messages.push(Message { role: Speaker::User, content: "And then?".to_owned() });
    assert_eq!(ask(&client(&base), asked).await.end, Ok(Finish::Stop));
    let got = server.await.unwrap();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/models/gemini-2.5-flash:generateContent HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("x-goog-api-key: AIza-canary") && !head.contains("key="), "{head}");
    let content = |role: &str, text: &str| json!({"role": role, "parts": [{"text": text}]});
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "You help."}]},
        "contents": [content("user", "How do I open the call?"), content("model", "Like this."), content("user", "And then?")],
        "generationConfig": {
            "temperature": 0.5, "maxOutputTokens": 200, "responseMimeType": "application/json",
            "responseJsonSchema": {
                "type": "object", "required": ["title", "points"], "propertyOrdering": ["title", "points"],
                "additionalProperties": false,
                "properties": {
                    "title": {"type": "string", "description": "Short."},
                    "points": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
                },
            },
            "thinkingConfig": {"thinkingBudget": 0},
        },
    });
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn json_is_asked_for_as_the_settings_say_and_thoughts_as_the_model_allows() {
    static SCHEMA: Schema = Schema { name: "note", shape: Shape::Object(&[member("title", line("", 10))]) };
    for (mode, model, kind, schema, thinking) in [
        (JsonMode::Object, "gemini-2.5-pro", json!("application/json"), false, json!({"thinkingBudget": 128})),
        (JsonMode::Words, "gemma-3-27b-it", Value::Null, false, Value::Null),
        (JsonMode::Schema, "models/gemini-3.5-flash", json!("application/json"), true, json!({"thinkingLevel": "low"})),
    ] {
        let (base, server) = raw(status("200 OK", "", &finish("STOP").to_string())).await;
        let asked = LlmRequest { schema: Some(&SCHEMA), ..whole(model) };
        ask(&client_for(&base, mode), asked).await.end.unwrap();
        let got = server.await.unwrap();
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("/v1/models/{}:", model.trim_start_matches("models/"))), "{head}");
        let config = serde_json::from_str::<Value>(body).unwrap()["generationConfig"].take();
        assert_eq!((&config["responseMimeType"], &config["thinkingConfig"]), (&kind, &thinking), "{model}");
        assert_eq!(config.get("responseJsonSchema").is_some(), schema, "{model}");
    }
}

#[tokio::test]
async fn thoughts_are_paid_for_and_not_said() {
    let thought = json!({"candidates": [{"content": {"parts": [{"text": "Hmm", "thought": true}, {"text": "A"}]}}],
        "usageMetadata": {"promptTokenCount": 7, "thoughtsTokenCount": 5}});
    let last = json!({"candidates": [{"content": {"parts": [{"text": "!"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3, "thoughtsTokenCount": 5, "totalTokenCount": 15}});
    let heard = streamed(&[thought, last]).await;
    assert_eq!((heard.text.as_str(), heard.end), ("A!", Ok(Finish::Stop)));
    assert_eq!(heard.usage, Some(Usage { tokens_in: 7, tokens_out: 8 }));
}

#[tokio::test]
async fn a_model_that_says_with_each_piece_that_it_is_done_is_read_to_its_end() {
    let heard = streamed(&[finish("STOP"), finish("STOP"), finish("MAX_TOKENS")]).await;
    assert_eq!((heard.text.as_str(), heard.end), ("HiHiHi", Ok(Finish::Length)));
}

#[tokio::test]
async fn every_reason_to_finish_is_what_it_means() {
    for reason in ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"] {
        assert_eq!(streamed(&[finish(reason)]).await.end, Err(ProviderError::Refused), "{reason}");
    }
    for reason in ["OTHER", "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "SOMETHING_NEW"] {
        let end = streamed(&[finish(reason)]).await.end;
        assert!(matches!(end, Err(ProviderError::Malformed(_))), "{reason}: {end:?}");
    }
    assert_eq!(streamed(&[finish("PUP_LIMITED_DISABLED")]).await.end, Err(ProviderError::Unauthorised(403)));
    let call = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}]}, "finishReason": "STOP"}]});
    assert_eq!(streamed(&[call]).await.end, Err(ProviderError::Malformed("a call of a tool")));
}

#[tokio::test]
async fn a_prompt_that_is_blocked_is_refused_and_what_it_cost_is_told() {
    let usage = json!({"promptTokenCount": 9, "totalTokenCount": 9});
    for reason in ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "OTHER"] {
        let blocked = json!({"promptFeedback": {"blockReason": reason}, "usageMetadata": usage});
        let heard = streamed(std::slice::from_ref(&blocked)).await;
        assert_eq!(heard.end, Err(ProviderError::Refused), "{reason}");
        assert_eq!(heard.usage, Some(Usage { tokens_in: 9, tokens_out: 0 }));
        let (base, _server) = raw(status("200 OK", "", &blocked.to_string())).await;
        assert_eq!(ask(&client(&base), whole("m")).await.end, Err(ProviderError::Refused), "{reason}");
    }
}

#[tokio::test]
async fn an_error_in_mid_stream_is_read_and_what_came_is_kept() {
    let said = json!({"candidates": [{"content": {"parts": [{"text": "Hel"}]}}]});
    let error = json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}});
    let heard = streamed(&[said, error]).await;
    assert!(matches!(heard.end, Err(ProviderError::Unavailable { status: Some(503), .. })), "{:?}", heard.end);
    assert_eq!((heard.text.as_str(), heard.usage), ("Hel", None));
}

#[test]
fn a_model_stands_below_its_base_whatever_that_looks_like() {
    for (base, model, expected) in [
        ("https://g.example", "gemini-2.5-flash", "https://g.example/v1beta/models/gemini-2.5-flash:generateContent"),
        ("https://g.example/", "models/a", "https://g.example/v1beta/models/a:generateContent"),
        ("https://g.example/v1/", "tunedModels/a", "https://g.example/v1/tunedModels/a:generateContent"),
        ("https://g.example/proxy", "a", "https://g.example/proxy/v1beta/models/a:generateContent"),
        ("https://g.example", "a?b#c d", "https://g.example/v1beta/models/a%3Fb%23c%20d:generateContent"),
    ] {
        assert_eq!(client(base).inner.url(model, false).as_str(), expected);
    }
    assert!(client("https://g.example").inner.url("a", true).as_str().ends_with(":streamGenerateContent?alt=sse"));
    assert_eq!(client("https://g.example").provider(), "google");
}
