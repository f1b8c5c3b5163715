//! What an answer can speak of.

use crate::prompt::{Prompt, Speaker};

/// What the answer speaks of; each is there only when the prompt said it.
pub(crate) struct Facts {
    pub(crate) company: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) features: Vec<String>,
    pub(crate) client: Option<String>,
    pub(crate) client_company: Option<String>,
    pub(crate) pains: Vec<String>,
    pub(crate) goals: Vec<String>,
    pub(crate) objections: Vec<String>,
    pub(crate) prices: Vec<String>,
    pub(crate) sender: Option<String>,
    pub(crate) topic: Option<String>,
    pub(crate) earlier: bool,
}

const CLIENT: [&str; 4] = ["client", "customer", "prospect", "recipient"];

impl Facts {
    pub(crate) fn of(prompt: &Prompt) -> Self {
        let one =
            |sections: &[&str], keys: &[&str], words| prompt.field(sections, keys).and_then(|value| clip(value, words));
        let many = |sections: &[&str], keys: &[&str]| prompt.field(sections, keys).map(list).unwrap_or_default();
        Self {
            company: one(&["company", "seller"], &["name"], 5),
            value: one(
                &["company", "seller", "product"],
                &["value", "position", "differen", "selling point", "advantage"],
                8,
            ),
            product: one(&["product"], &["name"], 5),
            features: many(&["product"], &["feature", "benefit", "description"]),
            client: one(&CLIENT, &["name", "company"], 5),
            pains: many(&CLIENT, &["pain", "challenge", "problem", "need"]),
            client_company: one(&CLIENT, &["company"], 5),
            goals: many(&CLIENT, &["goal", "aim", "wish"]),
            objections: many(&CLIENT, &["objection", "concern"]),
            prices: prompt.field(&["product"], &["pric", "cost"]).map(whole).unwrap_or_default(),
            sender: one(&["sender"], &["name"], 5),
            topic: topic(&prompt.question),
            earlier: prompt.turns.iter().any(|(speaker, _)| *speaker == Speaker::Assistant),
        }
    }
}

/// The items of a list that a field holds, each short enough for a sentence.
fn list(value: &str) -> Vec<String> {
    let separator = if value.contains(';') { ';' } else { ',' };
    value.split(separator).filter_map(|item| clip(item, 7)).take(6).collect()
}

/// The items of a list whose words all count.
fn whole(value: &str) -> Vec<String> {
    value.split(';').filter_map(|item| clip(item, 12)).take(6).collect()
}

/// The first words of a value, without the marks around it.
pub(crate) fn clip(value: &str, words: usize) -> Option<String> {
    let short: Vec<&str> = value.split_whitespace().take(words).collect();
    let short: String = short.join(" ").chars().take(80).collect();
    let bare = short.trim_matches(|c: char| c.is_whitespace() || ".,;:!?\"".contains(c));
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// Words of a question that don't say what it is about.
const HOLLOW: &str = " about also been best better client could does dont from give handle have help here \
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
