//! Members that scripts and emails have: texts by name, and how much thought a model may take.

use std::collections::BTreeMap;

use hellosales_core::run::QualityMode;
use serde_json::Value;

use super::{Fields, Given};

const QUALITY_MODES: &[(&str, QualityMode)] =
    &[("fast", QualityMode::Fast), ("balanced", QualityMode::Balanced), ("quality", QualityMode::Quality)];

impl Fields {
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
        let mut fields = Fields::new(body, &["table"]).unwrap();
        fields.table("table", 1, 3);
        let problem = fields.finish().err().map(|problem| problem.body("", chrono::DateTime::UNIX_EPOCH));
        let faults = problem.into_iter().flat_map(|problem| problem.errors);
        faults.map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn each_text_of_a_table_is_looked_at() {
        assert_eq!(faults(json!({"table": {"äöü": "c"}})), []);
        let found = faults(json!({"table": {"a/b": "long", "c": ""}}));
        let expected = [("/table", "too_many"), ("/table/a~1b", "too_long"), ("/table/c", "blank")];
        assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        assert_eq!(faults(json!({"table": {"a": {"b": 1}}})), [("/table".to_owned(), "wrong_type")]);
        assert_eq!(faults(json!({"table": ["a"]})), [("/table".to_owned(), "wrong_type")]);
    }
}
