//! An answer as it should be: what is sent, and what is read.

use super::{Finish, QUICK, STREAM, Usage, World, ask, client, delta, finish, json, raw, request};

#[tokio::test]
async fn an_answer_comes_with_its_usage_its_finish_and_its_request_id() {
    let world = World::start().await;
    let heard = ask(&world.client(), request("m")).await;
    assert_eq!(heard.end, Ok(Finish::Stop));
    assert!(heard.text.len() > 20);
    let usage = heard.usage.unwrap();
    assert!(usage.tokens_in > 0 && usage.tokens_out > 0);
    assert!(heard.request_id.is_some());
}

#[tokio::test]
async fn a_base_url_may_end_in_a_slash_and_may_be_groqs() {
    let world = World::start().await;
    let mut texts = Vec::new();
    for path in ["/v1", "/v1/", "/openai/v1", "/openai/v1/"] {
        let heard = ask(&client(&format!("{}{path}", world.url), QUICK), request("m")).await;
        assert_eq!(heard.end, Ok(Finish::Stop), "{path}");
        assert!(heard.usage.is_some(), "{path}");
        texts.push(heard.text);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "the same prompt has the same answer");
}

#[tokio::test]
async fn an_answer_that_reaches_its_limit_says_so() {
    let world = World::start().await;
    let mut short = request("m");
    short.max_tokens = Some(3);
    let heard = ask(&world.client(), short).await;
    assert_eq!(heard.end, Ok(Finish::Length));
    assert_eq!(heard.usage.map(|usage| usage.tokens_out), Some(3));
}

#[tokio::test]
async fn the_request_asks_for_a_stream_with_usage_and_carries_the_key() {
    let (base, server) = raw(format!("{STREAM}{}{}data: [DONE]\n\n", delta("Hi"), finish("stop"))).await;
    ask(&client(&base, QUICK), request("m")).await;
    let got = server.await.unwrap();
    let (head, body) = got.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer sk-canary"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let expected = json!({
        "model": "m", "temperature": 0.5, "max_tokens": 200, "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "system", "content": "You help."}, {"role": "user", "content": "How do I open the call?"}],
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn usage_is_read_where_groq_writes_it() {
    let usage = json!({"choices": [], "x_groq": {"id": "req", "usage": {"prompt_tokens": 7, "completion_tokens": 3}}});
    let (base, _server) = raw(format!("{STREAM}{}{}data: {usage}\n\n", delta("Hi"), finish("stop"))).await;
    let heard = ask(&client(&base, QUICK), request("m")).await;
    assert_eq!(heard.end, Ok(Finish::Stop), "a finish counts without [DONE]");
    assert_eq!(heard.usage, Some(Usage { tokens_in: 7, tokens_out: 3 }));
}

#[tokio::test]
async fn a_nul_in_an_answer_is_replaced_since_the_database_takes_none() {
    let (base, _server) = raw(format!("{STREAM}{}{}data: [DONE]\n\n", delta("a\u{0}b"), finish("stop"))).await;
    assert_eq!(ask(&client(&base, QUICK), request("m")).await.text, "a\u{fffd}b");
}

#[tokio::test]
async fn a_finished_answer_does_not_wait_for_ever_for_its_usage() {
    let (base, _server) = super::serve(|mut socket| async move {
        let body = format!("{STREAM}{}{}", delta("Hi"), finish("stop"));
        tokio::io::AsyncWriteExt::write_all(&mut socket, body.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let heard = ask(&client(&base, QUICK), request("m")).await;
    assert_eq!((heard.end, heard.usage), (Ok(Finish::Stop), None));
}

#[tokio::test]
async fn dropping_the_stream_ends_the_call_at_the_provider() {
    use super::super::super::{Llm, LlmEvent};
    use futures::StreamExt;
    let world = World::start().await;
    world.control(json!({"hold_after_tokens": 3})).await;
    let mut stream = world.client().generate(request("m"));
    while let Some(event) = stream.next().await {
        if matches!(event.unwrap(), LlmEvent::Delta(_)) {
            break;
        }
    }
    drop(stream);
    let gone = async {
        loop {
            if world.log().await.to_string().contains("hung_up") {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(5), gone).await.unwrap();
}
