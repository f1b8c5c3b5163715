//! Holds an answer against its shape: lenient about what stands around the JSON, strict about what is in it.

use std::fmt;

use serde_json::{Deserializer, Map, Value};

use super::{List, Member, Schema, Shape, Text};

/// An answer may begin with so many other braces before its own.
const MAX_STARTS: usize = 16;

/// What is wrong with an answer: which field, and what of it. Never what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    field: String,
    what: String,
}

impl Fault {
    /// A fault of the whole answer.
    #[must_use]
    pub fn of_all(what: impl Into<String>) -> Self {
        Self { field: String::new(), what: what.into() }
    }

    fn of(path: &str, what: impl Into<String>) -> Self {
        Self { field: path.to_owned(), what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.what),
            field => write!(f, "{field} {}", self.what),
        }
    }
}

/// The JSON of an answer, its texts trimmed, if it is what was asked for.
///
/// # Errors
/// With the first thing that is wrong.
pub fn fit(schema: &Schema, answer: &str) -> Result<Value, Fault> {
    let mut value = unwrapped(answer).ok_or_else(|| Fault::of_all("it is not a JSON object"))?;
    fit_value(&schema.shape, &mut value, "")?;
    Ok(value)
}

/// The first JSON object of a text: models like to put it into a code fence, or to say something first.
fn unwrapped(answer: &str) -> Option<Value> {
    let starts = answer.match_indices('{').map(|(at, _)| at).take(MAX_STARTS);
    starts.filter_map(|at| answer.get(at..)).find_map(|rest| {
        let value = Deserializer::from_str(rest).into_iter::<Value>().next()?.ok()?;
        value.is_object().then_some(value)
    })
}

fn fit_value(shape: &Shape, value: &mut Value, path: &str) -> Result<(), Fault> {
    match (shape, value) {
        (Shape::Text(text), Value::String(said)) => fit_text(text, said, path),
        (Shape::Text(_), _) => Err(Fault::of(path, "is not a text")),
        (Shape::List(list), Value::Array(items)) => fit_list(list, items, path),
        (Shape::List(_), _) => Err(Fault::of(path, "is not a list")),
        (Shape::Object(members), Value::Object(object)) => fit_object(members, object, path),
        (Shape::Object(_), _) => Err(Fault::of(path, "is not an object")),
    }
}

fn fit_text(shape: &Text, said: &mut String, path: &str) -> Result<(), Fault> {
    let text = said.replace("\r\n", "\n").replace('\r', "\n");
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    if text.is_empty() {
        return Err(Fault::of(path, "is blank"));
    }
    // A bound on bytes first: a text of megabytes isn't counted.
    if text.len() > shape.max_chars.saturating_mul(4) || text.chars().count() > shape.max_chars {
        return Err(Fault::of(path, format!("is longer than {} characters", shape.max_chars)));
    }
    if text.contains('\u{0}') {
        return Err(Fault::of(path, "holds a NUL character"));
    }
    if shape.one_line && text.contains(['\n', '\u{2028}', '\u{2029}', '\u{85}']) {
        return Err(Fault::of(path, "is more than one line"));
    }
    if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(Fault::of(path, "holds a control character"));
    }
    *said = text.to_owned();
    Ok(())
}

fn fit_list(shape: &List, items: &mut [Value], path: &str) -> Result<(), Fault> {
    if items.len() < shape.min_items {
        return Err(Fault::of(path, format!("has fewer than {} items", shape.min_items)));
    }
    if items.len() > shape.max_items {
        return Err(Fault::of(path, format!("has more than {} items", shape.max_items)));
    }
    for (n, item) in items.iter_mut().enumerate() {
        fit_value(shape.of, item, &format!("{path}[{n}]"))?;
    }
    Ok(())
}

fn fit_object(members: &[Member], object: &mut Map<String, Value>, path: &str) -> Result<(), Fault> {
    let dot = if path.is_empty() { "" } else { "." };
    for member in members {
        let path = format!("{path}{dot}{}", member.name);
        match object.get_mut(member.name) {
            Some(value) => fit_value(&member.shape, value, &path)?,
            None => return Err(Fault::of(&path, "is missing")),
        }
    }
    if object.len() > members.len() {
        return Err(Fault::of(path, "has a field that was not asked for").trimmed());
    }
    Ok(())
}

impl Fault {
    /// Of the answer itself: the sentence needs a subject.
    fn trimmed(mut self) -> Self {
        if self.field.is_empty() {
            self.what = format!("it {}", self.what);
        }
        self
    }
}
