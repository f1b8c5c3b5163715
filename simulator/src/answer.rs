//! The text of an answer: built from what the prompt says, the same for the same prompt.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::pieces;
use crate::prompt::{Prompt, Speaker};
use crate::request::{ChatRequest, Format, Message};
use crate::schema;

/// An answer, ready to be streamed.
pub(crate) struct Answer {
    pub(crate) pieces: Vec<String>,
    pub(crate) finish_reason: &'static str,
}

impl Answer {
    pub(crate) fn to(request: &ChatRequest) -> Self {
        let mut text = text(request);
        let stops = request.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
            text.truncate(at);
        }
        let mut pieces = pieces::pieces(&text);
        let mut finish_reason = "stop";
        if request.max_tokens.is_some_and(|most| pieces.len() > most) {
            pieces.truncate(request.max_tokens.unwrap_or_default());
            finish_reason = "length";
        }
        let pieces = pieces.into_iter().map(str::to_owned).collect();
        Self {
            pieces,
            finish_reason,
        }
    }
}

fn text(request: &ChatRequest) -> String {
    let prompt = Prompt::read(&request.messages);
    let mut writer = Writer::new(&prompt, &request.messages);
    match &request.format {
        Format::Schema(schema) => schema::fill(schema, &mut writer).to_string(),
        // Models without schemas on the wire are told them in words: obey one that is there.
        Format::JsonObject => match schema::find(&Prompt::everything(&request.messages)) {
            Some(schema) => schema::fill(&schema, &mut writer).to_string(),
            None => writer.object().to_string(),
        },
        Format::Text if prompt.asks_for_summary() => writer.summary(),
        Format::Text => writer.chat(),
    }
}

/// What the answer speaks of; each is there only when the prompt said it.
struct Facts {
    company: Option<String>,
    value: Option<String>,
    product: Option<String>,
    features: Vec<String>,
    client: Option<String>,
    pains: Vec<String>,
    topic: Option<String>,
    earlier: bool,
}

const CLIENT: [&str; 4] = ["client", "customer", "prospect", "recipient"];

impl Facts {
    fn of(prompt: &Prompt) -> Self {
        let one = |sections: &[&str], keys: &[&str], words| {
            prompt
                .field(sections, keys)
                .and_then(|value| clip(value, words))
        };
        let many = |sections: &[&str], keys: &[&str]| {
            prompt.field(sections, keys).map(list).unwrap_or_default()
        };
        Self {
            company: one(&["company", "seller"], &["name"], 5),
            value: one(
                &["company", "seller", "product"],
                &["value", "position", "differen"],
                8,
            ),
            product: one(&["product"], &["name"], 5),
            features: many(&["product"], &["feature", "benefit", "description"]),
            client: one(&CLIENT, &["name", "company"], 5),
            pains: many(&CLIENT, &["pain", "challenge", "problem", "need"]),
            topic: topic(&prompt.question),
            earlier: prompt
                .turns
                .iter()
                .any(|(speaker, _)| *speaker == Speaker::Assistant),
        }
    }
}

/// The items of a list that a field holds, each short enough for a sentence.
fn list(value: &str) -> Vec<String> {
    let separator = if value.contains(';') { ';' } else { ',' };
    value
        .split(separator)
        .filter_map(|item| clip(item, 7))
        .take(6)
        .collect()
}

/// The first words of a value, without the marks around it.
fn clip(value: &str, words: usize) -> Option<String> {
    let short: Vec<&str> = value.split_whitespace().take(words).collect();
    let short: String = short.join(" ").chars().take(80).collect();
    let bare = short.trim_matches(|c: char| c.is_whitespace() || ".,;:!?\"".contains(c));
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// Words of a question that don't say what it is about.
const HOLLOW: &str = " about also been best better client could does dont from give have help here \
    into just know like make more most much need please product should show some tell than that \
    their them then there these they this those very want well what when where which while will \
    with would write your ";

/// What the question is about: its telling words, as they were written.
fn topic(question: &str) -> Option<String> {
    let words = question.split(|c: char| !(c.is_alphanumeric() || c == '-'));
    let telling: Vec<&str> = words
        .filter(|word| word.chars().count() > 3 && word.chars().count() < 24)
        .filter(|word| !HOLLOW.contains(&format!(" {} ", word.to_lowercase())))
        .take(4)
        .collect();
    clip(&telling.join(" "), 4)
}

/// Writes about the facts; which of its phrasings it takes follows from the prompt's hash.
pub(crate) struct Writer {
    facts: Facts,
    lines: Vec<(Speaker, String)>,
    before: Vec<String>,
    seed: [u8; 32],
    turn: usize,
}

type Phrasings = [&'static str; 4];

const GREETINGS: Phrasings = [
    "With {client}, start from what matters to them.",
    "For {client}, I would open with their own situation.",
    "{client} is a good fit, so keep the opening short.",
    "Here is how I would approach {client}.",
];
const FOLLOW_UPS: Phrasings = [
    "Building on what we said, keep {client} in focus.",
    "Following on from before, stay close to {client}.",
    "As a next step with {client}, go one level deeper.",
    "Picking up where we left off with {client}, be specific.",
];
const TOPICS: Phrasings = [
    "On {topic}, be direct and give one example.",
    "You asked about {topic}: answer that first, in a sentence.",
    "Since it is about {topic}, say early what changes for them.",
    "For {topic}, a short and honest answer works best.",
];
const PRODUCTS: Phrasings = [
    "{product} helps here with {feature}.",
    "Show {feature} in {product} before anything else.",
    "The strongest point of {product} is {feature}.",
    "Lead with {feature}, which {product} brings from day one.",
];
const PAINS: Phrasings = [
    "It speaks to {pain}, where they lose time today.",
    "That answers {pain}, so ask what it costs them now.",
    "Tie it to {pain} and let them put a number on it.",
    "They struggle with {pain}, and this takes it off their desk.",
];
const PROOFS: Phrasings = [
    "{company} can back this up with {value}.",
    "Mention that {company} stands for {value}.",
    "Then bring in {company} and {value}.",
    "{company} adds {value} to that.",
];
const CLOSES: Phrasings = [
    "Close by agreeing one clear next step, such as a short call this week.",
    "End with an open question and suggest two times for a short call.",
    "Then ask who else should see it, and propose a short demo.",
    "Finish with one question, and offer to send a one-page summary.",
];
const SUBJECTS: Phrasings = [
    "{client}: an idea about {pain}",
    "{product} and {pain}",
    "Less {pain} with {product}",
    "A quick thought on {pain}",
];
const PLAIN: Phrasings = [
    "{product} gives {client} {feature}.",
    "{client} can put {pain} behind them.",
    "What {client} would notice first is {feature}.",
    "Ask {client} how {pain} shows up in a normal week.",
];

impl Writer {
    fn new(prompt: &Prompt, messages: &[Message]) -> Self {
        let mut hash = Sha256::new();
        for message in messages {
            hash.update(&message.role);
            hash.update([0]);
            hash.update(&message.content);
            hash.update([0]);
        }
        let seed: [u8; 32] = hash.finalize().into();
        let mut facts = Facts::of(prompt);
        // Which feature and which pain it speaks of is a choice as well.
        for (list, byte) in [(&mut facts.features, seed[0]), (&mut facts.pains, seed[1])] {
            let by = usize::from(byte) % list.len().max(1);
            list.rotate_left(by);
        }
        Self {
            facts,
            lines: prompt.conversation(),
            before: prompt.section("summary"),
            seed,
            turn: 2,
        }
    }

    /// The next choice among so many; each choice sees another byte of the hash.
    pub(crate) fn choose(&mut self, among: usize) -> usize {
        let byte = self
            .seed
            .get(self.turn % self.seed.len())
            .copied()
            .unwrap_or_default();
        let choice = (usize::from(byte) + self.turn / self.seed.len()) % among.max(1);
        self.turn += 1;
        choice
    }

    fn say(&mut self, phrasings: &Phrasings) -> String {
        let choice = self.choose(phrasings.len());
        let template = phrasings.get(choice).copied().unwrap_or_default();
        let mut said = String::new();
        for (at, part) in template.split(['{', '}']).enumerate() {
            // Every second part stood between braces.
            if at % 2 == 0 {
                said.push_str(part);
                continue;
            }
            match self.fact(part) {
                (Some(fact), _) => said.push_str(fact),
                // A name keeps its letters, a stand-in begins a sentence like any word.
                (None, stand_in) if said.is_empty() => said.push_str(&capitalised(stand_in)),
                (None, stand_in) => said.push_str(stand_in),
            }
        }
        said
    }

    /// What the prompt said, and what stands in where it said nothing.
    fn fact(&self, name: &str) -> (Option<&str>, &'static str) {
        let facts = &self.facts;
        match name {
            "client" => (facts.client.as_deref(), "the client"),
            "product" => (facts.product.as_deref(), "the product"),
            "company" => (facts.company.as_deref(), "your company"),
            "value" => (facts.value.as_deref(), "a quick start"),
            "topic" => (facts.topic.as_deref(), "your question"),
            "feature" => (
                facts.features.first().map(String::as_str),
                "its simple setup",
            ),
            "pain" => (facts.pains.first().map(String::as_str), "manual work"),
            _ => (None, ""),
        }
    }

    /// A usual answer: six sentences at most.
    fn chat(&mut self) -> String {
        let opening = if self.facts.earlier {
            &FOLLOW_UPS
        } else {
            &GREETINGS
        };
        let mut said = vec![self.say(opening)];
        if self.facts.topic.is_some() {
            said.push(self.say(&TOPICS));
        }
        said.push(self.say(&PRODUCTS));
        said.push(self.say(&PAINS));
        if self.facts.company.is_some() {
            said.push(self.say(&PROOFS));
        }
        said.push(self.say(&CLOSES));
        said.join(" ")
    }

    /// What was said, in the conversation's own words.
    fn summary(&mut self) -> String {
        let mut said = Vec::new();
        if let Some(before) = self.before.first().and_then(|line| clip(line, 20)) {
            said.push(format!("Before: {before}."));
        }
        // The beginning says what it is about, the end where it stands.
        let skipped = self.lines.len().saturating_sub(6);
        for (at, (speaker, line)) in self.lines.iter().enumerate() {
            if (2..2 + skipped).contains(&at) {
                continue;
            }
            let Some(words) = clip(line, 14) else {
                continue;
            };
            said.push(match speaker {
                Speaker::User => format!("The user said: {words}."),
                Speaker::Assistant => format!("The assistant answered: {words}."),
            });
        }
        if said.is_empty() {
            said.push("Nothing has been said yet.".to_owned());
        }
        said.join(" ")
    }

    /// An object for a prompt that asks for JSON without a schema.
    fn object(&mut self) -> Value {
        json!({
            "subject": self.field("subject"),
            "body": self.field("body"),
            "call_to_action": self.field("call_to_action"),
        })
    }

    /// A text for a property of this name.
    pub(crate) fn field(&mut self, name: &str) -> String {
        let name = name.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["subject", "title", "headline"]) {
            capitalised(&self.say(&SUBJECTS))
        } else if has(&["call_to_action", "cta", "next_step", "closing", "close"]) {
            self.say(&CLOSES)
        } else if has(&["greeting", "salutation"]) {
            format!("Hi {},", self.named("client"))
        } else if has(&["summary"]) {
            self.summary()
        } else if has(&[
            "body", "content", "message", "text", "script", "email", "answer",
        ]) {
            self.chat()
        } else if has(&["opening", "intro", "hook"]) {
            self.say(&GREETINGS)
        } else if has(&["pain", "problem", "challenge"]) {
            self.say(&PAINS)
        } else if has(&["feature", "benefit", "value", "point", "pitch"]) {
            self.say(&PRODUCTS)
        } else if has(&["product"]) {
            self.named("product")
        } else if has(&["company", "sender", "organi"]) {
            self.named("company")
        } else if has(&["name", "client", "recipient"]) {
            self.named("client")
        } else {
            self.say(&PLAIN)
        }
    }

    fn named(&self, name: &str) -> String {
        let (fact, stand_in) = self.fact(name);
        fact.unwrap_or(stand_in).to_owned()
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::tests::{SYSTEM, message};

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
        Answer::to(request).pieces.concat()
    }

    #[test]
    fn an_answer_uses_the_prompts_fields() {
        for at in 0..40 {
            let text = said(&asked(&format!(
                "How do I handle pricing objections in call {at}?"
            )));
            for word in ["Ana Reyes", "Beacon", "Northwind", "pricing objections"] {
                assert!(text.contains(word), "{word}: {text}");
            }
            for words in [
                &["instant alerts", "shared inbox", "audit trail"][..],
                &["slow answers", "lost tickets"],
            ] {
                assert!(words.iter().any(|word| text.contains(word)), "{text}");
            }
        }
    }

    #[test]
    fn the_same_prompt_has_the_same_answer_and_others_differ() {
        let one = said(&asked("How do I open?"));
        assert_eq!(one, said(&asked("How do I open?")));
        let others: std::collections::BTreeSet<String> = (0..50)
            .map(|at| said(&asked(&format!("How do I open {at}?"))))
            .collect();
        assert!(others.len() > 25, "{}", others.len());
    }

    #[test]
    fn a_usual_answer_has_40_to_90_tokens() {
        for at in 0..200 {
            let question = format!("What should I say about security reviews, number {at}?");
            for system in [SYSTEM, "You help.", ""] {
                let request = request(vec![message("system", system), message("user", &question)]);
                let answer = Answer::to(&request);
                let tokens = answer.pieces.len();
                assert!(
                    (40..=95).contains(&tokens),
                    "{tokens}: {}",
                    answer.pieces.concat()
                );
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
            FOLLOW_UPS
                .iter()
                .any(|follow_up| text.starts_with(&follow_up[..10])),
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
        assert_eq!(
            text,
            "The user said: What does Beacon cost. The assistant answered: Ten euros a month."
        );
        let none = said(&request(vec![message(
            "system",
            "Summarise the conversation.",
        )]));
        assert_eq!(none, "Nothing has been said yet.");
    }

    #[test]
    fn bounds_and_stops_are_honoured() {
        let mut short = asked("How do I open?");
        short.max_tokens = Some(5);
        let answer = Answer::to(&short);
        assert_eq!((answer.pieces.len(), answer.finish_reason), (5, "length"));
        let mut stopped = asked("How do I open?");
        stopped.stop = vec![String::new(), ".".into()];
        let answer = Answer::to(&stopped);
        assert!(!answer.pieces.concat().contains('.'));
        assert_eq!(answer.finish_reason, "stop");
    }

    #[test]
    fn json_is_written_when_asked_for() {
        let mut json = asked("Write an email as JSON");
        json.format = Format::JsonObject;
        let value: Value = serde_json::from_str(&said(&json)).unwrap();
        assert!(value["body"].as_str().unwrap().contains("Beacon"));
        let schema =
            r#"{"type":"object","properties":{"hook":{"type":"string"}},"required":["hook"]}"#;
        json.messages[0]
            .content
            .push_str(&format!("\nAnswer in JSON like {schema}."));
        let value: Value = serde_json::from_str(&said(&json)).unwrap();
        assert_eq!(
            value.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["hook"]
        );
    }

    #[test]
    fn hostile_prompts_are_answered() {
        for text in [
            "",
            "{client}",
            "{{first_name}}",
            "\u{0}",
            "é".repeat(5_000).as_str(),
            "####",
        ] {
            let request = request(vec![message("system", text), message("user", text)]);
            assert!(!said(&request).is_empty());
        }
    }
}
