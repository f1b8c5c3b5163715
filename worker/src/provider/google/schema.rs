//! A shape as Gemini takes it: JSON Schema, with the order of an object's members said, since it doesn't keep to that of
//! `properties` by itself.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::super::schema::{Member, Shape};

/// A shape to be sent.
pub(super) struct Json(pub(super) &'static Shape);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            Shape::Text(text) => {
                map.serialize_entry("type", "string")?;
                describe(&mut map, text.about)?;
            }
            Shape::List(list) => {
                map.serialize_entry("type", "array")?;
                describe(&mut map, list.about)?;
                map.serialize_entry("items", &Self(list.of))?;
                map.serialize_entry("minItems", &list.min_items)?;
                map.serialize_entry("maxItems", &list.max_items)?;
            }
            Shape::Object(members) => {
                let names: Vec<&str> = members.iter().map(|member| member.name).collect();
                map.serialize_entry("type", "object")?;
                map.serialize_entry("properties", &Properties(members))?;
                map.serialize_entry("required", &names)?;
                map.serialize_entry("propertyOrdering", &names)?;
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
        serializer.collect_map(self.0.iter().map(|member| (member.name, Json(&member.shape))))
    }
}
