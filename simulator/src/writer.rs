//! The sentences: phrasings chosen by the prompt's hash, filled with the prompt's facts.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::facts::{Facts, clip};
use crate::letter::Occasion;
use crate::phrase;
use crate::prompt::{Prompt, Speaker};
use crate::request::Message;

/// Writes about the facts; which of its phrasings it takes follows from the prompt's hash.
pub(crate) struct Writer {
    pub(crate) facts: Facts,
    lines: Vec<(Speaker, String)>,
    before: Option<String>,
    seed: [u8; 32],
    turn: usize,
    pub(crate) occasion: Occasion,
}

/// These may be clauses; names are not.
const FITTED: [&str; 5] = ["pain", "goal", "objection", "feature", "value"];

pub(crate) type Phrasings = [&'static str; 4];

const GREETINGS: Phrasings = [
    "With {client}, start from what matters to them.",
    "For {client}, I would open with their own situation.",
    "{client} is a good fit, so keep the opening short.",
    "Here is how I would approach {client}.",
];
pub(crate) const FOLLOW_UPS: Phrasings = [
    "Building on what we said, keep {client} in focus.",
    "Following on from before, stay close to {client}.",
    "As a next step with {client}, go one level deeper.",
    "Picking up where we left off with {client}, be specific.",
];
const TOPICS: Phrasings = [
    "On \"{topic}\", be direct and give one example.",
    "You asked about \"{topic}\": answer that first, in a sentence.",
    "When it comes to \"{topic}\", say early what changes for them.",
    "If \"{topic}\" comes up, a short and honest answer works best.",
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
const PLAIN: Phrasings = [
    "{product} gives {client} {feature}.",
    "{client} can put {pain} behind them.",
    "What {client} would notice first is {feature}.",
    "Ask {client} how {pain} shows up in a normal week.",
];

impl Writer {
    pub(crate) fn new(prompt: &Prompt, messages: &[Message]) -> Self {
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
        let lists = [(&mut facts.features, seed[0]), (&mut facts.pains, seed[1]), (&mut facts.objections, seed[2])];
        for (list, byte) in lists {
            let by = usize::from(byte) % list.len().max(1);
            list.rotate_left(by);
        }
        let occasion = Occasion::of(&prompt.question);
        Self { facts, lines: prompt.conversation(), before: prompt.before(), seed, turn: 2, occasion }
    }

    /// The next choice among so many; each choice sees another byte of the hash.
    pub(crate) fn choose(&mut self, among: usize) -> usize {
        let byte = self.seed.get(self.turn % self.seed.len()).copied().unwrap_or_default();
        let choice = (usize::from(byte) + self.turn / self.seed.len()) % among.max(1);
        self.turn += 1;
        choice
    }

    pub(crate) fn say(&mut self, phrasings: &Phrasings) -> String {
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
                (Some(fact), _) if FITTED.contains(&part) => said.push_str(&phrase::fitted(fact)),
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
            "feature" => (facts.features.first().map(String::as_str), "its simple setup"),
            "goal" => (facts.goals.first().map(String::as_str), "an easier day"),
            "objection" => (facts.objections.first().map(String::as_str), "the timing"),
            "price" => (facts.prices.first().map(String::as_str), "to be agreed"),
            "first" => (facts.client.as_deref().and_then(|name| name.split_whitespace().next()), "{{first_name}}"),
            "their_company" => (facts.client_company.as_deref(), "your company"),
            "sender" => (facts.sender.as_deref(), "{{sender_name}}"),
            "pain" => (facts.pains.first().map(String::as_str), "manual work"),
            _ => (None, ""),
        }
    }

    /// A usual answer: six sentences at most.
    pub(crate) fn chat(&mut self) -> String {
        let opening = if self.facts.earlier { &FOLLOW_UPS } else { &GREETINGS };
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
    pub(crate) fn summary(&mut self) -> String {
        let mut said = Vec::new();
        if let Some(before) = self.before.as_deref().and_then(|line| clip(line, 20)) {
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
    pub(crate) fn object(&mut self) -> Value {
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
            self.subject()
        } else if has(&["call_to_action", "cta", "next_step"]) {
            self.ask()
        } else if has(&["objection"]) {
            self.objection()
        } else if has(&["response", "handler", "rebuttal"]) {
            self.response()
        } else if has(&["question"]) {
            self.question()
        } else if has(&["closing", "close"]) {
            self.closing()
        } else if has(&["greeting", "salutation"]) {
            format!("Hi {},", self.named("client"))
        } else if has(&["summary"]) {
            self.summary()
        } else if has(&["body", "email"]) {
            self.letter()
        } else if has(&["content", "script"]) {
            self.script()
        } else if has(&["message", "text", "answer"]) {
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

pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
