//! Answers that don't fit the schema they were asked for, as small models give them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SchemaFault {
    /// The first text is left out.
    MissingField,
    /// One more is there.
    UnknownField,
    /// The first text is blank.
    BlankField,
    /// The first text is a number.
    WrongType,
    /// The first text has 100,000 characters.
    LongField,
    /// It is prose.
    NotJson,
    /// It is right, with a sentence before it and a code fence around it.
    Fenced,
}

impl SchemaFault {
    /// The answer with this fault.
    pub(crate) fn spoil(self, mut answer: Value) -> String {
        let first = answer.as_object().and_then(|object| object.iter().find(|(_, value)| value.is_string()));
        let first = first.map(|(name, _)| name.clone()).unwrap_or_default();
        if let Some(object) = answer.as_object_mut() {
            match self {
                Self::MissingField => drop(object.remove(&first)),
                Self::UnknownField => drop(object.insert("confidence".to_owned(), "high".into())),
                Self::BlankField => drop(object.insert(first, " \n".into())),
                Self::WrongType => drop(object.insert(first, 7.into())),
                Self::LongField => drop(object.insert(first, "word ".repeat(20_000).into())),
                Self::NotJson => return "Sure! I have written it in a friendly tone and kept it short.".to_owned(),
                Self::Fenced => return format!("Here it is:\n\n```json\n{answer}\n```"),
            }
        }
        answer.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_spoilt_as_told() {
        let spoilt = |fault: SchemaFault| fault.spoil(json!({"list": [], "one": "a", "two": "b"}));
        assert_eq!(spoilt(SchemaFault::MissingField), r#"{"list":[],"two":"b"}"#);
        assert_eq!(spoilt(SchemaFault::WrongType), r#"{"list":[],"one":7,"two":"b"}"#);
        assert_eq!(spoilt(SchemaFault::BlankField), r#"{"list":[],"one":" \n","two":"b"}"#);
        assert!(spoilt(SchemaFault::UnknownField).contains("confidence"));
        assert!(spoilt(SchemaFault::LongField).len() > 100_000);
        assert!(!spoilt(SchemaFault::NotJson).contains('{'));
        assert!(spoilt(SchemaFault::Fenced).contains("```json\n{\"list\""));
    }
}
