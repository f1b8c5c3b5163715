//! JSON by schema: one description of an answer's shape, which the provider is sent as JSON Schema and the answer is held
//! against when it has come. A provider that knows no schemas, or doesn't keep to one, is found out.

mod fit;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};

pub use fit::{Fault, fit};

/// What an answer is to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Schema {
    /// What providers call it: letters, digits, `_` and `-`.
    pub name: &'static str,
    /// Its shape: an object.
    pub shape: Shape,
}

/// The shape of a value. Every member of an object must be there, and no other may be: what OpenAI calls strict.
#[derive(Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text that isn't blank.
    Text(Text),
    /// A list.
    List(List),
    /// An object with these members, in this order.
    Object(&'static [Member]),
}

/// What a text may be.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// Told to the model.
    pub about: &'static str,
    /// It has at most so many characters.
    pub max_chars: usize,
    /// It is one line.
    pub one_line: bool,
}

/// What a list may be.
#[derive(Debug, PartialEq, Eq)]
pub struct List {
    /// Told to the model.
    pub about: &'static str,
    /// What its items are.
    pub of: &'static Shape,
    /// It has at least so many items.
    pub min_items: usize,
    /// And at most so many.
    pub max_items: usize,
}

/// A member of an object.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
}

/// A member.
#[must_use]
pub const fn member(name: &'static str, shape: Shape) -> Member {
    Member { name, shape }
}

/// A text of several lines.
#[must_use]
pub const fn text(about: &'static str, max_chars: usize) -> Shape {
    Shape::Text(Text { about, max_chars, one_line: false })
}

/// A text of one line.
#[must_use]
pub const fn line(about: &'static str, max_chars: usize) -> Shape {
    Shape::Text(Text { about, max_chars, one_line: true })
}

/// A list of so many items.
#[must_use]
pub const fn list(about: &'static str, of: &'static Shape, min_items: usize, max_items: usize) -> Shape {
    Shape::List(List { about, of, min_items, max_items })
}

impl Serialize for Shape {
    /// As JSON Schema. Bounds are not in it: strict modes refuse the keywords for them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Text(text) => {
                map.serialize_entry("type", "string")?;
                describe(&mut map, text.about)?;
            }
            Self::List(list) => {
                map.serialize_entry("type", "array")?;
                describe(&mut map, list.about)?;
                map.serialize_entry("items", list.of)?;
            }
            Self::Object(members) => {
                let names: Vec<&str> = members.iter().map(|member| member.name).collect();
                map.serialize_entry("type", "object")?;
                map.serialize_entry("properties", &Properties(members))?;
                map.serialize_entry("required", &names)?;
                map.serialize_entry("additionalProperties", &false)?;
            }
        }
        map.end()
    }
}

fn describe<M: SerializeMap>(map: &mut M, about: &str) -> Result<(), M::Error> {
    if about.is_empty() { Ok(()) } else { map.serialize_entry("description", about) }
}

struct Properties(&'static [Member]);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|member| (member.name, &member.shape)))
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
