//! An answer that nobody follows comes as one: asked for so, read so, and its faults are the same.

use std::time::Instant;

use super::{
    Finish, LlmRequest, ProviderError, QUICK, STREAM, Usage, World, ask, client, delta, finish, json, raw, request,
};

fn whole(model: &str) -> LlmRequest {
    LlmRequest { stream: false, ..request(model) }
}

fn body(json: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{json}", json.len())
}

async fn answered(answer: String) -> super::Heard {
    let (base, _server) = raw(answer).await;
    ask(&client(&base, QUICK), whole("m")).await
}

#[tokio::test]
async fn an_answer_that_comes_as_one_says_what_its_stream_would() {
    let world = World::start().await;
    let (streamed, whole) = (ask(&world.client(), request("m")).await, ask(&world.client(), whole("m")).await);
    assert_eq!((&whole.text, whole.usage, whole.end), (&streamed.text, streamed.usage, Ok(Finish::Stop)));
    assert!(whole.usage.is_some() && whole.request_id.is_some());
    let mut short = self::whole("m");
    short.max_tokens = Some(3);
    let heard = ask(&world.client(), short).await;
    assert_eq!((heard.end, heard.usage.map(|usage| usage.tokens_out)), (Ok(Finish::Length), Some(3)));
}

#[tokio::test]
async fn it_is_asked_for_without_a_stream() {
    let answer = json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]});
    let (base, server) = raw(body(&answer.to_string())).await;
    let heard = ask(&client(&base, QUICK), whole("m")).await;
    assert_eq!((heard.text.as_str(), heard.usage, heard.end), ("Hi", None, Ok(Finish::Stop)));
    let got = server.await.unwrap();
    let (head, sent) = got.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("accept: application/json"), "{head}");
    let sent: serde_json::Value = serde_json::from_str(sent).unwrap();
    assert_eq!((&sent["stream"], sent.get("stream_options")), (&json!(false), None));
}

#[tokio::test]
async fn it_has_the_time_of_the_whole_and_not_that_of_a_first_token() {
    let world = World::start().await;
    let late = QUICK.first_token + QUICK.first_token / 3;
    world.control(json!({"first_token_ms": u64::try_from(late.as_millis()).unwrap(), "token_delay_ms": 0})).await;
    assert_eq!(ask(&world.client(), whole("m")).await.end, Ok(Finish::Stop));
    world.control(json!({"hang": true})).await;
    let began = Instant::now();
    assert_eq!(ask(&world.client(), whole("m")).await.end, Err(ProviderError::TimeoutAfterFirstToken(QUICK.total)));
    assert!(began.elapsed() >= QUICK.total);
    world.control(json!({"hold_after_tokens": 3})).await;
    assert_eq!(ask(&world.client(), whole("m")).await.end, Err(ProviderError::TimeoutAfterFirstToken(QUICK.total)));
}

#[tokio::test]
async fn its_faults_are_those_of_a_stream() {
    let world = World::start().await;
    for (rule, expected) in [
        (json!({"cut_after_tokens": 4}), ProviderError::CutStream),
        (json!({"malformed": true}), ProviderError::Malformed("it isn't JSON of the format")),
        (json!({"status": 401}), ProviderError::Unauthorised(401)),
    ] {
        world.control(rule.clone()).await;
        assert_eq!(ask(&world.client(), whole("m")).await.end, Err(expected), "{rule}");
    }
    for (answer, expected) in [
        (json!({"error": {"code": "content_filter"}}), ProviderError::Refused),
        (json!({"choices": [{"message": {"refusal": "No."}, "finish_reason": "stop"}]}), ProviderError::Refused),
        (
            json!({"choices": [{"message": {"content": "N"}, "finish_reason": "content_filter"}]}),
            ProviderError::Refused,
        ),
        (json!({"choices": []}), ProviderError::Malformed("an answer without a finish")),
        (json!({"choices": [{"finish_reason": "tool_calls"}]}), ProviderError::Malformed("a call of a tool")),
    ] {
        assert_eq!(answered(body(&answer.to_string())).await.end, Err(expected), "{answer}");
    }
    assert_eq!(
        answered(body("\u{fffd}<html>")).await.end,
        Err(ProviderError::Malformed("it isn't JSON of the format"))
    );
}

#[tokio::test]
async fn a_server_that_streams_all_the_same_is_read() {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}});
    let answer = format!("{STREAM}{}{}{}data: {usage}\n\ndata: [DONE]\n\n", delta("Hi"), delta("!"), finish("stop"));
    let heard = answered(answer).await;
    assert_eq!((heard.text.as_str(), heard.end), ("Hi!", Ok(Finish::Stop)));
    assert_eq!(heard.usage, Some(Usage { tokens_in: 7, tokens_out: 3 }));
}
