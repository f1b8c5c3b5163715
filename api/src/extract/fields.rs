//! The members of a body, read one by one: each fault is named by its pointer. A fault of shape (unknown,
//! missing, wrong type) is told first and alone; faults of value are told all at once.

pub(crate) mod content;
mod texts;

mod cents;
mod nested;

use std::ops::RangeInclusive;

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::ids::Ids;
use crate::error::{Fault, Problem};

/// A member that may be left out, or be null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given<T> {
    /// Not there.
    Absent,
    /// `null`.
    Null,
    /// A value.
    Value(T),
}

impl<T> Given<T> {
    /// The value; `None` if absent or null.
    pub(crate) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// For a change: `None` leaves as it is, `Some(None)` clears.
    pub(crate) fn change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }
}

/// Reads a body; what it returns counts only if [`Fields::finish`] finds no fault.
#[derive(Debug)]
pub(crate) struct Fields {
    members: Map<String, Value>,
    ids: Option<Ids>,
    malformed: Option<Problem>,
    shape: Option<Fault>,
    values: Vec<Fault>,
}

impl Fields {
    /// Of an object that has no other members than these.
    ///
    /// # Errors
    /// If it isn't an object.
    pub(crate) fn new(body: Value, known: &[&str]) -> Result<Self, Problem> {
        let Value::Object(members) = body else {
            return Err(Problem::invalid(vec![Fault::new("", "wrong_type", "the body must be an object")]));
        };
        let unknown = members.keys().find(|name| !known.contains(&name.as_str()));
        let shape = unknown.map(|name| {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            Fault::new(pointer, "unknown_field", "is not known here")
        });
        Ok(Self { members, ids: None, malformed: None, shape, values: Vec::new() })
    }

    /// With the list of ids that was read apart.
    #[must_use]
    pub(crate) fn with_ids(mut self, ids: Option<Ids>) -> Self {
        self.ids = ids;
        self
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// What was found.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match (self.shape, self.malformed) {
            (Some(shape), _) => Err(Problem::invalid(vec![shape])),
            (None, Some(malformed)) => Err(malformed),
            (None, None) if self.values.is_empty() => Ok(()),
            (None, None) => Err(Problem::invalid(self.values)),
        }
    }

    fn misshapen(&mut self, name: &str, code: &'static str, message: impl Into<String>) {
        self.shape.get_or_insert_with(|| Fault::new(format!("/{name}"), code, message));
    }

    /// Whether something is wrong with a member, or within it.
    pub(crate) fn has_fault(&self, name: &str) -> bool {
        let pointer = format!("/{name}");
        let is_within = |fault: &Fault| {
            fault.pointer.strip_prefix(&pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.malformed.is_some() || self.shape.iter().chain(&self.values).any(is_within)
    }

    /// Adds a fault of value.
    pub(crate) fn fault(&mut self, name: &str, code: &'static str, message: impl Into<String>) {
        self.values.push(Fault::new(format!("/{name}"), code, message));
    }

    fn take<T>(&mut self, name: &str, kind: &str, read: impl FnOnce(Value) -> Option<T>) -> Given<T> {
        match self.members.remove(name) {
            None => Given::Absent,
            Some(Value::Null) => Given::Null,
            Some(value) => read(value).map_or_else(
                || {
                    self.misshapen(name, "wrong_type", format!("must be {kind}"));
                    Given::Absent
                },
                Given::Value,
            ),
        }
    }

    /// A member that must be there; a stand-in if it isn't, which the fault keeps from being used.
    pub(crate) fn required<T: Default>(&mut self, name: &str, given: Given<T>) -> T {
        given.value().unwrap_or_else(|| {
            self.misshapen(name, "required", "is required");
            T::default()
        })
    }

    /// A text of so many characters, not blank.
    pub(crate) fn text(&mut self, name: &str, chars: RangeInclusive<usize>) -> Given<String> {
        let given = self.take(name, "a string", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        });
        if let Given::Value(text) = &given {
            let count = text.chars().count();
            if count > *chars.end() {
                self.fault(name, "too_long", format!("must have at most {} characters", chars.end()));
            } else if text.trim().is_empty() {
                self.fault(name, "blank", "must not be blank");
            } else if count < *chars.start() {
                self.fault(name, "too_short", format!("must have at least {} characters", chars.start()));
            }
        }
        given
    }

    /// One of these words.
    pub(crate) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Given<T> {
        let given = self.take(name, "a string", |value| value.as_str().map(str::to_owned));
        match given {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(text) => match words.iter().find(|(word, _)| *word == text) {
                Some((_, value)) => Given::Value(*value),
                None => {
                    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                    self.fault(name, "unknown_value", format!("must be one of {}", known.join(", ")));
                    Given::Absent
                }
            },
        }
    }

    /// A number.
    pub(crate) fn number(&mut self, name: &str, range: RangeInclusive<f64>) -> Given<f64> {
        let given = self.take(name, "a number", |value| value.as_f64());
        if let Given::Value(number) = &given
            && !range.contains(number)
        {
            self.fault(name, "out_of_range", format!("must be between {} and {}", range.start(), range.end()));
        }
        given
    }

    /// A whole number; `5.0` is one.
    pub(crate) fn integer(&mut self, name: &str, range: RangeInclusive<u32>) -> Given<u32> {
        let given = self.take(name, "an integer", |value| match value {
            Value::Number(number) if is_whole(&number) => Some(number),
            _ => None,
        });
        let Given::Value(number) = given else {
            return if matches!(given, Given::Null) { Given::Null } else { Given::Absent };
        };
        match whole(&number).filter(|n| range.contains(n)) {
            Some(n) => Given::Value(n),
            None => {
                self.fault(name, "out_of_range", format!("must be between {} and {}", range.start(), range.end()));
                Given::Absent
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &str) -> Given<bool> {
        self.take(name, "true or false", |value| value.as_bool())
    }

    /// An id.
    pub(crate) fn id<T: From<Uuid>>(&mut self, name: &str) -> Given<T> {
        let given = self.take(name, "a string", |value| value.as_str().map(str::to_owned));
        match given {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(text) => match super::path::uuid(&text) {
                Some(id) => Given::Value(id.into()),
                None => {
                    self.malformed.get_or_insert_with(|| Problem::malformed(format!("{name} is not a UUID")));
                    Given::Absent
                }
            },
        }
    }

    /// An object of the client's own, of at most so many bytes.
    pub(crate) fn object(&mut self, name: &str, max_bytes: usize) -> Given<Map<String, Value>> {
        let given = self.take(name, "an object", |value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        });
        if let Given::Value(map) = &given
            && serde_json::to_string(map).map_or(usize::MAX, |text| text.len()) > max_bytes
        {
            self.fault(name, "too_long", format!("must have at most {max_bytes} bytes"));
        }
        given
    }

    /// Refuses null for a member that can't be cleared.
    pub(crate) fn not_null<T>(&mut self, name: &str, given: Given<T>) -> Given<T> {
        if matches!(given, Given::Null) {
            self.misshapen(name, "wrong_type", "must not be null");
        }
        given
    }
}

fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
}

fn whole(number: &Number) -> Option<u32> {
    match number.as_u64() {
        Some(n) => u32::try_from(n).ok(),
        None => format!("{:.0}", number.as_f64()?).parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(body: Value, read: impl FnOnce(&mut Fields)) -> Vec<(String, &'static str)> {
        let mut fields = Fields::new(body, &["text", "n", "x", "m"]).unwrap();
        read(&mut fields);
        let problem = fields.finish().unwrap_err().body("", chrono::DateTime::UNIX_EPOCH);
        problem.errors.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn faults_of_value_are_told_all_at_once() {
        let found = faults(json!({"text": " ", "n": 0, "x": 2.5}), |fields| {
            fields.text("text", 1..=5);
            fields.integer("n", 1..=10);
            fields.number("x", 0.0..=2.0);
        });
        let expected = [("/text", "blank"), ("/n", "out_of_range"), ("/x", "out_of_range")];
        assert_eq!(found, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    }

    #[test]
    fn a_fault_of_shape_is_told_first_and_alone() {
        let found = faults(json!({"text": " ", "n": "1"}), |fields| {
            fields.text("text", 1..=5);
            fields.integer("n", 1..=10);
        });
        assert_eq!(found, [("/n".to_owned(), "wrong_type")]);
        assert_eq!(faults(json!({"a/b": 1}), |_| {}), [("/a~1b".to_owned(), "unknown_field")]);
        assert_eq!(
            faults(json!({"n": 1.5}), |fields| {
                fields.integer("n", 1..=10);
            })[0]
                .1,
            "wrong_type"
        );
    }

    #[test]
    fn lengths_are_counted_in_characters_and_bounds_belong() {
        let mut fields = Fields::new(json!({"text": "ääääa", "n": 10.0, "x": 2}), &["text", "n", "x"]).unwrap();
        assert_eq!(fields.text("text", 1..=5), Given::Value("ääääa".to_owned()));
        assert_eq!(fields.integer("n", 1..=10), Given::Value(10));
        assert_eq!(fields.number("x", 0.0..=2.0), Given::Value(2.0));
        fields.finish().unwrap();
    }
}
