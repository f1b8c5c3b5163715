//! What a run has said so far, for whoever comes in the middle: one text, or a text a field.

use std::collections::BTreeMap;

use hellosales_core::pipeline;
use hellosales_core::pulse::runs::RunRow;
use hellosales_core::stream::told;
use serde_json::Value;

/// The text so far.
#[derive(Debug)]
pub(super) struct TextSoFar {
    /// The fields that the run's pipeline tells; none: it says one text.
    known: &'static [&'static str],
    plain: String,
    fields: BTreeMap<String, String>,
}

impl TextSoFar {
    /// Nothing yet.
    pub(super) fn of(run: &RunRow) -> Self {
        let pipeline = pipeline::find(&run.pipeline, run.pipeline_version);
        Self { known: pipeline.map_or(&[], |pipeline| pipeline.fields), plain: String::new(), fields: BTreeMap::new() }
    }

    /// Goes on with a field, or with the one text.
    pub(super) fn push(&mut self, field: Option<&str>, text: &str) {
        match field {
            None => self.plain.push_str(text),
            Some(field) => match self.fields.get_mut(field) {
                Some(said) => said.push_str(text),
                None => {
                    self.fields.insert(field.to_owned(), text.to_owned());
                }
            },
        }
    }

    /// Nothing of it holds any more.
    pub(super) fn clear(&mut self) {
        self.plain.clear();
        self.fields.clear();
    }

    /// What the run made takes the place of what it said.
    pub(super) fn stored(&mut self, result: Option<&Value>) {
        for field in self.known {
            let text = result.and_then(|result| result.get(field)).map(told).unwrap_or_default();
            if !text.is_empty() {
                self.fields.insert((*field).to_owned(), text);
            }
        }
    }

    fn is_by_field(&self) -> bool {
        !self.known.is_empty() || !self.fields.is_empty()
    }

    /// The one text; none of a run that speaks by field.
    pub(super) fn plain(&self) -> Option<&str> {
        (!self.is_by_field()).then_some(self.plain.as_str())
    }

    /// The texts by field; none of a run that says one text.
    pub(super) fn by_field(&self) -> Option<&BTreeMap<String, String>> {
        self.is_by_field().then_some(&self.fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(known: &'static [&'static str]) -> TextSoFar {
        TextSoFar { known, plain: String::new(), fields: BTreeMap::new() }
    }

    #[test]
    fn a_run_says_one_text_or_a_text_a_field() {
        let mut chat = text(&[]);
        chat.push(None, "Hel");
        chat.push(None, "lo");
        assert_eq!((json!(chat.plain()), json!(chat.by_field())), (json!("Hello"), json!(null)));

        let mut email = text(&["subject", "body"]);
        assert_eq!((json!(email.plain()), json!(email.by_field())), (json!(null), json!({})));
        for (field, piece) in [("subject", "Hi"), ("body", "Dear "), ("body", "Ana")] {
            email.push(Some(field), piece);
        }
        assert_eq!(
            (json!(email.plain()), json!(email.by_field())),
            (json!(null), json!({"subject": "Hi", "body": "Dear Ana"}))
        );
        email.clear();
        assert_eq!(json!(email.by_field()), json!({}));
    }

    #[test]
    fn what_is_stored_is_shown_as_it_was_told() {
        let mut script = text(&["content", "key_talking_points", "closing_techniques"]);
        script.stored(Some(&json!({"object": "script", "content": "Hello", "key_talking_points": ["a", "b"], "closing_techniques": []})));
        assert_eq!(json!(script.by_field()), json!({"content": "Hello", "key_talking_points": "a\nb"}));
        script.stored(None);
    }
}
