//! Members that hold several texts: lists and tables.

use std::collections::BTreeMap;

use hellosales_core::run::QualityMode;
use serde_json::Value;

use super::{Fields, Given};

const QUALITY_MODES: &[(&str, QualityMode)] =
    &[("fast", QualityMode::Fast), ("balanced", QualityMode::Balanced), ("quality", QualityMode::Quality)];

impl Fields {
    /// A list of at most so many texts of 1 to so many characters, none blank. A fault names the text.
    pub(crate) fn texts(&mut self, name: &str, most: usize, chars: usize) -> Given<Vec<String>> {
        let given = self.take(name, "a list of strings", |value| match value {
            Value::Array(items) => items.into_iter().map(text).collect::<Option<Vec<String>>>(),
            _ => None,
        });
        if let Given::Value(items) = &given {
            if items.len() > most {
                self.fault(name, "too_many", format!("must have at most {most} items"));
            }
            for (n, item) in items.iter().enumerate() {
                self.check_text(&format!("{name}/{n}"), item, chars);
            }
        }
        given
    }

    /// A table of at most so many texts by name, both of 1 to so many characters, none blank.
    pub(crate) fn table(&mut self, name: &str, most: usize, chars: usize) -> Given<BTreeMap<String, String>> {
        let given = self.take(name, "an object of strings", |value| match value {
            Value::Object(members) => {
                let texts = members.into_iter().map(|(key, value)| Some((key, text(value)?)));
                texts.collect::<Option<BTreeMap<String, String>>>()
            }
            _ => None,
        });
        if let Given::Value(members) = &given {
            if members.len() > most {
                self.fault(name, "too_many", format!("must have at most {most} members"));
            }
            for (key, value) in members {
                let pointer = format!("{name}/{}", key.replace('~', "~0").replace('/', "~1"));
                self.check_text(&pointer, key, chars);
                self.check_text(&pointer, value, chars);
            }
        }
        given
    }

    /// Takes `quality_mode`.
    pub(crate) fn quality_mode(&mut self) -> Option<QualityMode> {
        self.word("quality_mode", QUALITY_MODES).value()
    }

    fn check_text(&mut self, name: &str, text: &str, chars: usize) {
        if text.trim().is_empty() {
            self.fault(name, "blank", "must not be blank");
        } else if text.chars().count() > chars {
            self.fault(name, "too_long", format!("must have at most {chars} characters"));
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(body: Value) -> Vec<(String, &'static str)> {
        let mut fields = Fields::new(body, &["list", "table"]).unwrap();
        fields.texts("list", 2, 3);
        fields.table("table", 1, 3);
        let problem = fields.finish().err().map(|problem| problem.body("", chrono::DateTime::UNIX_EPOCH));
        let faults = problem.into_iter().flat_map(|problem| problem.errors);
        faults.map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn each_text_of_a_list_or_a_table_is_looked_at() {
        assert_eq!(faults(json!({"list": ["äöü", "b"], "table": {"a/b": "c"}})), []);
        let found = faults(json!({"list": ["a", " ", "bcde"], "table": {"a/b": "long", "c": ""}}));
        let expected = [
            ("/list", "too_many"),
            ("/list/1", "blank"),
            ("/list/2", "too_long"),
            ("/table", "too_many"),
            ("/table/a~1b", "too_long"),
            ("/table/c", "blank"),
        ];
        assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        assert_eq!(faults(json!({"list": "a"})), [("/list".to_owned(), "wrong_type")]);
        assert_eq!(faults(json!({"list": [1]})), [("/list".to_owned(), "wrong_type")]);
        assert_eq!(faults(json!({"table": {"a": {"b": 1}}})), [("/table".to_owned(), "wrong_type")]);
    }
}
