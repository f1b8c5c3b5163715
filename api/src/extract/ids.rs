//! A list of ids in a body: ten thousand of them are read where they stand, without a value of JSON for each.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use uuid::Uuid;

use super::path;

/// What stood where a list of ids is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ids {
    /// `null`.
    Null,
    /// No list.
    NoList,
    /// A list; this one of it is no text.
    NoText(usize),
    /// A list of texts; this one is no id.
    NoId(usize),
    /// A list of ids, and how many there were: no more are kept than were asked for.
    List(Vec<Uuid>, usize),
}

/// Reads a list of at most so many ids.
pub(super) struct IdsSeed {
    pub(super) most: usize,
}

impl<'de> DeserializeSeed<'de> for IdsSeed {
    type Value = Ids;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Ids, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IdsSeed {
    type Value = Ids;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ids")
    }

    fn visit_unit<E>(self) -> Result<Ids, E> {
        Ok(Ids::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Ids, E> {
        Ok(Ids::NoList)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Ids, E> {
        Ok(Ids::NoList)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Ids, E> {
        Ok(Ids::NoList)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Ids, E> {
        Ok(Ids::NoList)
    }

    fn visit_str<E>(self, _: &str) -> Result<Ids, E> {
        Ok(Ids::NoList)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Ids, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Ids::NoList)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ids, A::Error> {
        let (mut ids, mut count) = (Vec::new(), 0);
        let (mut no_text, mut no_id) = (None, None);
        while let Some(item) = items.next_element_seed(One)? {
            match item {
                Item::Id(id) if ids.len() < self.most => ids.push(id),
                Item::Id(_) => {}
                Item::Text => no_id = no_id.or(Some(count)),
                Item::Other => no_text = no_text.or(Some(count)),
            }
            count += 1;
        }
        Ok(match (no_text, no_id) {
            (Some(n), _) => Ids::NoText(n),
            (None, Some(n)) => Ids::NoId(n),
            (None, None) => Ids::List(ids, count),
        })
    }
}

enum Item {
    Id(Uuid),
    Text,
    Other,
}

struct One;

impl<'de> DeserializeSeed<'de> for One {
    type Value = Item;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Item, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(path::uuid(text).map_or(Item::Text, Item::Id))
    }

    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Item, E> {
        Ok(Item::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Item, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Item::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Item::Other)
    }
}
