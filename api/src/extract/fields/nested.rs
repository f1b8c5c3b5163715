//! Members that have parts: an object within the body, a list of ids.

use uuid::Uuid;

use super::{Fields, Given};
use crate::error::{Fault, Problem};
use crate::extract::ids::Ids;

impl Fields {
    /// An object with members of its own: their faults are told with it in their pointers.
    pub(crate) fn nested<T>(&mut self, name: &str, known: &[&str], read: impl FnOnce(&mut Self) -> T) -> Given<T> {
        let members = match self.take(name, "an object", |value| value.is_object().then_some(value)) {
            Given::Value(members) => members,
            Given::Null => return Given::Null,
            Given::Absent => return Given::Absent,
        };
        let Ok(mut inner) = Self::new(members, known) else { return Given::Absent };
        let content = read(&mut inner);
        let within = |fault: Fault| Fault { pointer: format!("/{name}{}", fault.pointer), ..fault };
        if let Some(fault) = inner.shape {
            self.shape.get_or_insert(within(fault));
        }
        if let Some(malformed) = inner.malformed {
            self.malformed.get_or_insert(malformed);
        }
        self.values.extend(inner.values.into_iter().map(within));
        Given::Value(content)
    }

    /// The list of 1 to `most` ids that was read apart.
    pub(crate) fn ids<T: From<Uuid>>(&mut self, name: &str, most: usize) -> Given<Vec<T>> {
        match self.ids.take() {
            None => Given::Absent,
            Some(Ids::Null) => Given::Null,
            Some(Ids::NoList) => {
                self.misshapen(name, "wrong_type", "must be a list");
                Given::Absent
            }
            Some(Ids::NoText(n)) => {
                self.misshapen(&format!("{name}/{n}"), "wrong_type", "must be a string");
                Given::Absent
            }
            Some(Ids::NoId(n)) => {
                self.malformed.get_or_insert_with(|| Problem::malformed(format!("{name}/{n} is not a UUID")));
                Given::Absent
            }
            Some(Ids::List(_, count)) if count > most => {
                self.fault(name, "too_many", format!("must have at most {most}, and has {count}"));
                Given::Absent
            }
            Some(Ids::List(_, 0)) => {
                self.fault(name, "empty", "must not be empty");
                Given::Absent
            }
            Some(Ids::List(ids, _)) => Given::Value(ids.into_iter().map(T::from).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_faults_of_a_nested_object_have_it_in_their_pointers() {
        let read = |fields: &mut Fields| {
            fields.nested("m", &["text", "n"], |inner| {
                inner.text("text", 1..=5);
                inner.integer("n", 1..=10);
            });
        };
        let found = |body: Value| {
            let mut fields = Fields::new(body, &["m"]).unwrap();
            read(&mut fields);
            let problem = fields.finish().unwrap_err().body("", chrono::DateTime::UNIX_EPOCH);
            problem.errors.into_iter().map(|fault| (fault.pointer, fault.code)).collect::<Vec<_>>()
        };
        assert_eq!(found(json!({"m": {"text": " ", "n": 0}}))[1], ("/m/n".to_owned(), "out_of_range"));
        assert_eq!(found(json!({"m": {"a": 1}})), [("/m/a".to_owned(), "unknown_field")]);
        assert_eq!(found(json!({"m": []})), [("/m".to_owned(), "wrong_type")]);
    }
}
