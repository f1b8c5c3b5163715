//! The text of a run as its readers have it: one text, or a text a field.

use serde_json::{Value, json};

/// The member of a structured answer that a text belongs to; none: the answer is one text.
pub type Field = Option<&'static str>;

/// What was said in one attempt, field by field in the order in which they began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamText {
    parts: Vec<(Field, String)>,
}

impl StreamText {
    /// Goes on with a field, or begins it.
    pub fn push(&mut self, field: Field, text: &str) {
        if text.is_empty() {
            return;
        }
        // A field goes on where it ended, mostly in the last one.
        match self.parts.iter_mut().rev().find(|(known, _)| *known == field) {
            Some((_, said)) => said.push_str(text),
            None => self.parts.push((field, text.to_owned())),
        }
    }

    /// Its fields with their texts, none of them empty.
    pub fn parts(&self) -> impl Iterator<Item = (Field, &str)> {
        self.parts.iter().map(|(field, text)| (*field, text.as_str()))
    }

    /// Bytes of all fields.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|(_, text)| text.len()).sum()
    }

    /// Whether nothing was said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Nothing was said.
    pub fn clear(&mut self) {
        self.parts.clear();
    }

    /// All fields in one.
    #[must_use]
    pub fn joined(&self) -> String {
        self.parts().map(|(_, text)| text).collect()
    }

    /// Whether every field has the same text, in whatever order they began.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.parts.len() == other.parts.len() && self.parts.iter().all(|part| other.parts.contains(part))
    }

    /// What gives it to readers who have nothing: an `output.delta` a field.
    pub(crate) fn deltas(&self, attempt: i16) -> impl Iterator<Item = (&'static str, Value)> {
        self.parts().map(move |(field, text)| ("output.delta", delta(field, text, attempt)))
    }
}

impl From<String> for StreamText {
    /// One text, without fields.
    fn from(text: String) -> Self {
        let mut said = Self::default();
        said.push(None, &text);
        said
    }
}

/// The members of an `output.delta`.
pub(crate) fn delta(field: Field, text: &str, attempt: i16) -> Value {
    json!({"field": field, "delta": text, "attempt": attempt})
}

/// A member of a structured answer as its readers have it: a string is itself, a list a line an item, an object in a list
/// its values, an object a line a member; `null` is nothing. What lies deeper has no text.
#[must_use]
pub fn told(member: &Value) -> String {
    let lines = |lines: &mut dyn Iterator<Item = String>| lines.collect::<Vec<_>>().join("\n");
    match member {
        Value::Array(items) => lines(&mut items.iter().map(|item| match item {
            Value::Object(members) => members.values().map(scalar).collect::<Vec<_>>().join(": "),
            item => scalar(item),
        })),
        Value::Object(members) => lines(&mut members.iter().map(|(name, value)| format!("{name}: {}", scalar(value)))),
        member => scalar(member),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_one_text_however_it_came() {
        let mut said = StreamText::default();
        assert!(said.is_empty());
        for (field, text) in
            [("subject", "He"), ("subject", "llo"), ("body", ""), ("body", "Hi "), ("subject", "!"), ("body", "Ana")]
        {
            said.push(Some(field), text);
        }
        let parts: Vec<(Field, &str)> = said.parts().collect();
        assert_eq!(parts, [(Some("subject"), "Hello!"), (Some("body"), "Hi Ana")]);
        assert_eq!((said.bytes(), said.joined()), (12, "Hello!Hi Ana".to_owned()));
    }

    #[test]
    fn the_order_of_fields_is_no_difference() {
        let said = |parts: &[(&'static str, &str)]| {
            let mut said = StreamText::default();
            parts.iter().for_each(|(field, text)| said.push(Some(field), text));
            said
        };
        let email = said(&[("subject", "Hi"), ("body", "Dear Ana")]);
        assert!(email.says_the_same(&said(&[("body", "Dear Ana"), ("subject", "Hi")])));
        for other in [said(&[("subject", "Hi")]), said(&[("subject", "Hi"), ("body", "Dear")]), StreamText::default()] {
            assert!(!email.says_the_same(&other) && !other.says_the_same(&email));
        }
    }

    #[test]
    fn a_structured_member_is_lines() {
        assert_eq!(told(&json!("Hello")), "Hello");
        assert_eq!(told(&json!(["one", "two"])), "one\ntwo");
        assert_eq!(told(&json!([{"objection": "Too dear", "response": "It pays"}])), "Too dear: It pays");
        assert_eq!(told(&json!({"Too dear": "It pays", "Why?": 3})), "Too dear: It pays\nWhy?: 3");
        assert_eq!(
            (told(&json!(null)), told(&json!(1.5)), told(&json!([["deep"]]))),
            (String::new(), "1.5".into(), String::new())
        );
    }

    #[test]
    fn a_plain_text_is_a_delta_without_a_field() {
        let said = StreamText::from("Hello".to_owned());
        let deltas: Vec<_> = said.deltas(2).collect();
        assert_eq!(deltas, [("output.delta", json!({"field": null, "delta": "Hello", "attempt": 2}))]);
        assert_eq!(StreamText::from(String::new()).deltas(1).count(), 0);
    }
}
