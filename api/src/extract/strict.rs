//! JSON, read strictly: what serde_json lets pass and we don't is a name twice in an object, at any depth, and
//! U+0000 in a string, which PostgreSQL takes neither in text nor in jsonb.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::ids::{Ids, IdsSeed};
use crate::error::{Fault, Problem};

const MAX_DEPTH: usize = 128;

/// Reads a body.
///
/// # Errors
/// 400 if it isn't JSON; 422 if it has a name twice, or U+0000 in a string.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Problem> {
    parse_with_ids(body, None).map(|(value, _)| value)
}

/// The same, with one member of the body, by its name, read as a list of at most so many ids; it is no part of the value.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_with_ids(body: &[u8], ids: Option<(&str, usize)>) -> Result<(Value, Option<Ids>), Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::malformed("the body is empty"));
    }
    let text = std::str::from_utf8(body).map_err(|_| Problem::malformed("the body is not UTF-8"))?;
    if depth(body) > MAX_DEPTH {
        return Err(Problem::malformed(format!("the body is nested deeper than {MAX_DEPTH}")));
    }
    let (mut fault, mut found) = (None, None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Seed { pointer: String::new(), fault: &mut fault, ids: ids.map(|name| (name, &mut found)) }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| Problem::malformed(format!("the body is not JSON: {}", place(&error))))?;
    fault.map_or(Ok((value, found)), |fault| Err(Problem::invalid(vec![fault])))
}

/// What serde_json says, without a word of the body.
fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").replace('\0', "\u{fffd}")
}

struct Seed<'f> {
    pointer: String,
    fault: &'f mut Option<Fault>,
    /// Of the outermost object only.
    ids: Option<((&'f str, usize), &'f mut Option<Ids>)>,
}

impl Seed<'_> {
    fn found(&mut self, pointer: &str, code: &'static str, message: &str) {
        self.fault.get_or_insert_with(|| Fault::new(pointer, code, message));
    }

    fn check(&mut self, text: &str) {
        if text.contains('\0') {
            let pointer = self.pointer.clone();
            self.found(&pointer, "null_character", "must not contain U+0000");
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(mut self, value: &str) -> Result<Value, E> {
        self.check(value);
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Seed {
            pointer: format!("{}/{}", self.pointer, values.len()),
            fault: &mut *self.fault,
            ids: None,
        })? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let pointer = format!("{}/{}", self.pointer, escaped(&name));
            if name.contains('\0') {
                self.found(&pointer, "null_character", "must not contain U+0000");
            }
            let is_ids = self.ids.as_ref().is_some_and(|((wanted, _), _)| *wanted == name);
            if map.contains_key(&name) || (is_ids && self.ids.as_ref().is_some_and(|(_, found)| found.is_some())) {
                self.found(&pointer, "duplicate_field", "is there twice");
            }
            match &mut self.ids {
                Some(((_, most), found)) if is_ids => {
                    **found = Some(entries.next_value_seed(IdsSeed { most: *most })?);
                }
                _ => {
                    let value = entries.next_value_seed(Seed { pointer, fault: &mut *self.fault, ids: None })?;
                    map.insert(name, value);
                }
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use hellosales_core::ErrorCode;

    use super::*;

    fn refused(body: &[u8]) -> Problem {
        parse(body).unwrap_err()
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = ["[".repeat(200), "]".repeat(200)].concat();
        for body in [
            &b""[..],
            b"  \n",
            b"{",
            b"{} {}",
            b"{}x",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\x00\"}",
            br#"{"a":"\ud800"}"#,
            b"{\"a\":NaN}",
            b"{\"a\":1e400}",
            b"{'a':1}",
            b"{\"a\":01}",
            deep.as_bytes(),
        ] {
            assert_eq!(refused(body).code(), ErrorCode::MalformedRequest, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_name_twice_is_named_at_any_depth() {
        for (body, pointer) in [(r#"{"a":1,"a":2}"#, "/a"), (r#"{"m":{"x":[{"b/c":1,"b/c":1}]}}"#, "/m/x/0/b~1c")] {
            let problem = refused(body.as_bytes()).body("", chrono::DateTime::UNIX_EPOCH);
            assert_eq!((problem.code, problem.errors[0].pointer.as_str()), ("VALIDATION_FAILED", pointer));
        }
    }

    #[test]
    fn u0000_in_a_string_or_a_name_is_invalid_not_malformed() {
        for body in [r#"{"a":"x\u0000y"}"#, r#"{"a\u0000":1}"#, r#"{"m":{"n":["\u0000"]}}"#] {
            assert_eq!(refused(body.as_bytes()).code(), ErrorCode::ValidationFailed);
        }
    }

    #[test]
    fn a_list_of_ids_is_read_apart_and_what_is_none_is_told_by_its_place() {
        let ids: Vec<uuid::Uuid> = (0..3).map(|_| uuid::Uuid::now_v7()).collect();
        let read = |list: &str| {
            let body = format!("{{\"a\":[1],\"ids\":{list},\"b\":{{\"ids\":7}}}}");
            let (value, ids) = parse_with_ids(body.as_bytes(), Some(("ids", 2))).unwrap();
            assert_eq!(value, serde_json::json!({"a": [1], "b": {"ids": 7}}));
            ids.unwrap()
        };
        let list = serde_json::to_string(&ids).unwrap();
        assert_eq!(read(&list), Ids::List(ids[..2].to_vec(), 3));
        assert_eq!(read("[]"), Ids::List(Vec::new(), 0));
        assert_eq!(read("null"), Ids::Null);
        for other in ["7", "-1.5", "\"x\"", "{\"a\":[{}]}", "true"] {
            assert_eq!(read(other), Ids::NoList, "{other}");
        }
        assert_eq!(read(&format!("[\"{}\",\"x\\u0000\",\"y\"]", ids[0])), Ids::NoId(1));
        for other in ["7", "null", "[[]]", "{\"a\":1}", "false"] {
            assert_eq!(read(&format!("[\"x\",{other}]")), Ids::NoText(1), "{other}");
        }
        assert!(parse_with_ids(b"{\"ids\":[],\"ids\":[]}", Some(("ids", 2))).is_err());
        assert!(parse_with_ids(b"{\"ids\":[\"]}", Some(("ids", 2))).is_err());
        assert_eq!(parse_with_ids(b"{}", Some(("ids", 2))).unwrap().1, None);
    }

    #[test]
    fn what_is_json_is_read_as_it_is() {
        let body = "{\"a\":[1,-2,0.5,true,null,\"<script>\u{202e}😀 '; DROP\"],\"b\":\"\\ud83d\\ude00\"}";
        assert_eq!(parse(body.as_bytes()).unwrap(), serde_json::from_str::<Value>(body).unwrap());
    }
}
