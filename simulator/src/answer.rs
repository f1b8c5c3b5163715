//! The text of an answer: built from what the prompt says, the same for the same prompt.

use crate::fault::Rule;
use crate::misfit::SchemaFault;
use crate::pieces;
use crate::prompt::Prompt;
use crate::request::{ChatRequest, Format};
use crate::schema;
use crate::writer::Writer;

/// A refused answer begins like any other.
const REFUSED_AFTER_TOKENS: usize = 2;

const ENDLESS_PIECE_BYTES: usize = 16 * 1024;

/// An answer, ready to be streamed.
pub(crate) struct Answer {
    pub(crate) pieces: Vec<String>,
    pub(crate) finish_reason: &'static str,
}

impl Answer {
    pub(crate) fn to(request: &ChatRequest, rule: &Rule) -> Self {
        let mut text = text(request, rule.schema_fault);
        let stops = request.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
            text.truncate(at);
        }
        if rule.endless {
            // In large pieces: it is read to somebody's bound.
            let times = 1 + ENDLESS_PIECE_BYTES / text.len().max(1);
            return Self { pieces: vec![format!("{text} ").repeat(times)], finish_reason: "stop" };
        }
        let mut pieces = pieces::pieces(&text);
        let mut finish_reason = "stop";
        if request.max_tokens.is_some_and(|most| pieces.len() > most) {
            pieces.truncate(request.max_tokens.unwrap_or_default());
            finish_reason = "length";
        }
        if rule.refuse {
            pieces.truncate(REFUSED_AFTER_TOKENS);
            finish_reason = "content_filter";
        }
        let pieces = pieces.into_iter().map(str::to_owned).collect();
        Self { pieces, finish_reason }
    }
}

fn text(request: &ChatRequest, fault: Option<SchemaFault>) -> String {
    let prompt = Prompt::read(&request.messages);
    let mut writer = Writer::new(&prompt, &request.messages);
    match &request.format {
        Format::Schema(schema) => {
            let answer = schema::fill(schema, &mut writer);
            fault.map_or_else(|| answer.to_string(), |fault| fault.spoil(answer.clone()))
        }
        // Models without schemas on the wire are told them in words: obey one that is there.
        Format::JsonObject => match schema::find(&Prompt::everything(&request.messages)) {
            Some(schema) => schema::fill(&schema, &mut writer).to_string(),
            None => writer.object().to_string(),
        },
        Format::Text if prompt.asks_for_summary() => writer.summary(),
        Format::Text => writer.chat(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::prompt::tests::{SYSTEM, message};
    use crate::request::Message;
    use crate::writer::FOLLOW_UPS;

    fn request(messages: Vec<Message>) -> ChatRequest {
        ChatRequest {
            model: "m".into(),
            messages,
            stream: true,
            include_usage: false,
            max_tokens: None,
            stop: Vec::new(),
            format: Format::Text,
        }
    }

    fn asked(question: &str) -> ChatRequest {
        request(vec![message("system", SYSTEM), message("user", question)])
    }

    fn said(request: &ChatRequest) -> String {
        Answer::to(request, &Rule::default()).pieces.concat()
    }

    #[test]
    fn an_answer_uses_the_prompts_fields() {
        for at in 0..40 {
            let text = said(&asked(&format!("How do I handle pricing objections in call {at}?")));
            for word in ["Ana Reyes", "Beacon", "Northwind", "pricing objections"] {
                assert!(text.contains(word), "{word}: {text}");
            }
            for words in [&["instant alerts", "shared inbox", "audit trail"][..], &["slow answers", "lost tickets"]] {
                assert!(words.iter().any(|word| text.contains(word)), "{text}");
            }
        }
    }

    #[test]
    fn the_same_prompt_has_the_same_answer_and_others_differ() {
        let one = said(&asked("How do I open?"));
        assert_eq!(one, said(&asked("How do I open?")));
        let others: std::collections::BTreeSet<String> =
            (0..50).map(|at| said(&asked(&format!("How do I open {at}?")))).collect();
        assert!(others.len() > 25, "{}", others.len());
    }

    #[test]
    fn a_usual_answer_has_40_to_90_tokens() {
        for at in 0..200 {
            let question = format!("What should I say about security reviews, number {at}?");
            for system in [SYSTEM, "You help.", ""] {
                let request = request(vec![message("system", system), message("user", &question)]);
                let answer = Answer::to(&request, &Rule::default());
                let tokens = answer.pieces.len();
                assert!((40..=95).contains(&tokens), "{tokens}: {}", answer.pieces.concat());
            }
        }
    }

    #[test]
    fn a_later_turn_builds_on_the_earlier_ones() {
        let mut longer = asked("How do I open?");
        longer.messages.push(message("assistant", "Like this."));
        longer.messages.push(message("user", "And then?"));
        let text = said(&longer);
        assert!(
            FOLLOW_UPS.iter().any(|follow_up| follow_up.get(..10).is_some_and(|start| text.starts_with(start))),
            "{text}"
        );
    }

    #[test]
    fn a_summary_is_made_of_the_lines() {
        let text = said(&request(vec![
            message("system", "Summarise the conversation in two sentences."),
            message("user", "What does Beacon cost?"),
            message("assistant", "Ten euros a month."),
        ]));
        assert_eq!(text, "The user said: What does Beacon cost. The assistant answered: Ten euros a month.");
        let record = format!("Before: {text}\nUser: And support?");
        let second = said(&request(vec![message("system", "Summarise the conversation."), message("user", &record)]));
        assert!(second.starts_with("Before: The user said: What does Beacon cost. "), "{second}");
        assert!(second.ends_with("The user said: And support."), "{second}");
        let record = format!("Before: {second}\nUser: And training?");
        let third = said(&request(vec![message("system", "Summarise the conversation."), message("user", &record)]));
        assert!(third.starts_with("Before: The user said: What does Beacon cost. "), "{third}");
        let none = said(&request(vec![message("system", "Summarise the conversation.")]));
        assert_eq!(none, "Nothing has been said yet.");
    }

    #[test]
    fn bounds_and_stops_are_honoured() {
        let mut short = asked("How do I open?");
        short.max_tokens = Some(5);
        let answer = Answer::to(&short, &Rule::default());
        assert_eq!((answer.pieces.len(), answer.finish_reason), (5, "length"));
        let mut stopped = asked("How do I open?");
        stopped.stop = vec![String::new(), ".".into()];
        let answer = Answer::to(&stopped, &Rule::default());
        assert!(!answer.pieces.concat().contains('.'));
        assert_eq!(answer.finish_reason, "stop");
    }

    #[test]
    fn json_is_written_when_asked_for() {
        let mut json = asked("Write an email as JSON");
        json.format = Format::JsonObject;
        let value: Value = serde_json::from_str(&said(&json)).unwrap();
        assert!(value["body"].as_str().unwrap().contains("Beacon"));
        let schema = r#"{"type":"object","properties":{"hook":{"type":"string"}},"required":["hook"]}"#;
        json.messages[0].content.push_str(&format!("\nAnswer in JSON like {schema}."));
        let value: Value = serde_json::from_str(&said(&json)).unwrap();
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["hook"]);
    }

    #[test]
    fn hostile_prompts_are_answered() {
        for text in ["", "{client}", "{{first_name}}", "\u{0}", "é".repeat(5_000).as_str(), "####"] {
            let request = request(vec![message("system", text), message("user", text)]);
            assert!(!said(&request).is_empty());
        }
    }
}
