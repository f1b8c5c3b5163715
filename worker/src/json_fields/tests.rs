//! Whatever the cuts, readers have what is stored.

use std::collections::BTreeMap;

use hellosales_core::stream::told;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::JsonFields;

const KNOWN: &[&str] = &["subject", "body", "points", "handlers", "count"];

type Told = (&'static str, String);

/// What is told of a document that comes in these pieces, joined by member in the order in which they began.
fn read<'p>(pieces: impl IntoIterator<Item = &'p str>) -> Vec<Told> {
    let mut fields = JsonFields::new(KNOWN);
    let mut all: Vec<Told> = Vec::new();
    for piece in pieces.into_iter().flat_map(|piece| fields.push(piece)) {
        let text = format!("{}{}", piece.after.unwrap_or_default(), piece.text);
        match all.last_mut() {
            Some((last, said)) if *last == piece.field => said.push_str(&text),
            _ => all.push((piece.field, text)),
        }
    }
    all.retain(|(_, text)| !text.is_empty());
    all
}

/// One character at a time: every cut there is.
fn read_chars(document: &str) -> Vec<Told> {
    let ends = document.char_indices().map(|(at, c)| document.get(at..at + c.len_utf8()).unwrap());
    let chars = read(ends);
    assert_eq!(chars, read([document]));
    chars
}

fn pieces(of: &[(&'static str, &str)]) -> Vec<Told> {
    of.iter().map(|(field, text)| (*field, (*text).to_owned())).collect()
}

/// A member's text as it is stored: what [`fit`](crate::provider::schema::fit) makes of its strings.
fn stored(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
            text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').into()
        }
        Value::Array(items) => items.iter().map(stored).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), stored(value))).collect(),
        value => value.clone(),
    }
}

#[test]
fn a_string_is_told_decoded() {
    let document = r#"{"subject": "\u00e9t\u00E9 \ud83d\ude00 😀 \"x\" \\ \/ \b\f\n\t.", "body":"a\u0000b"}"#;
    let told = pieces(&[("subject", "été 😀 😀 \"x\" \\ / \u{8}\u{c}\n\t."), ("body", "a\u{fffd}b")]);
    assert_eq!(read_chars(document), told);
}

#[test]
fn a_text_is_told_as_it_comes_and_says_where_it_begins() {
    let mut fields = JsonFields::new(KNOWN);
    let mut push = |document: &str| -> Vec<(&str, Option<&str>, String)> {
        fields.push(document).into_iter().map(|piece| (piece.field, piece.after, piece.text)).collect()
    };
    assert_eq!(push(r#"{"subj"#), []);
    assert_eq!(push(r#"ect":"Hel"#), [("subject", Some(""), "Hel".into())]);
    assert_eq!(push(r"lo\u00"), [("subject", None, "lo".into())]);
    assert_eq!(push(r#"e9","body":"x"#), [("subject", None, "é".into()), ("body", Some(""), "x".into())]);
    assert_eq!(push(r#"","points":["a","b"#).last(), Some(&("points", Some("\n"), "b".into())));
}

#[test]
fn blanks_at_the_ends_of_a_text_are_none_of_it_and_line_breaks_are_plain() {
    let document =
        r#"{"subject": " \t\n", "body": "\r\n Dear Ana,\r\n\rhow  are you?\n\u00a0\ufeff ", "points": [" a ", "b "]}"#;
    assert_eq!(read_chars(document), pieces(&[("body", "Dear Ana,\n\nhow  are you?"), ("points", "a\nb")]));
    let endless = format!(r#"{{"subject": "a{}b", "body": "x"}}"#, " ".repeat(2_000));
    assert_eq!(read_chars(&endless), pieces(&[("subject", "a")]));
}

#[test]
fn lists_are_lines_and_objects_in_them_values() {
    let document = r#"{"points": ["one", "", "three"], "handlers": [{"objection": "Too dear", "response": "It pays"}, {"a": "b", "c": null, "d": 2}, {}]}"#;
    let told = pieces(&[("points", "one\n\nthree"), ("handlers", "Too dear: It pays\nb: : 2\n")]);
    assert_eq!(read_chars(document), told);
    let scalars = r#"{"count": 12.50, "body": null, "points": [true, null, -1e3], "handlers": []}"#;
    assert_eq!(read_chars(scalars), pieces(&[("count", "12.5"), ("points", "true\n\n-1000.0")]));
}

#[test]
fn a_member_that_nobody_is_told_is_passed_over_whatever_it_holds() {
    let long = "x".repeat(10_000);
    let document = format!(
        r#"{{"thoughts": {{"subject": [[{{"a": "{long}"}}]]}}, "{long}": "{long}", "subject": "Hi", "n": true}}"#
    );
    assert_eq!(read_chars(&document), pieces(&[("subject", "Hi")]));
}

#[test]
fn what_stands_around_the_document_is_skipped() {
    let document = "\n```json\n{\n  \"subject\" : \"Hi\"\n}\n```\n{\"body\":\"never\"}";
    assert_eq!(read_chars(document), pieces(&[("subject", "Hi")]));
}

#[test]
fn nothing_is_told_after_a_fault() {
    for fault in [
        r#""body" "x"}"#,
        r#"body: "x"}"#,
        r#""body": x}"#,
        r#""body": truth, "points": ["x"]}"#,
        r#""points": [,"x"]}"#,
        r#""points": {"x"}"#,
        r#""points": {"x": "y"}}"#,
        r#""points": ]"x"}"#,
        r#"}, "body": "x"}"#,
        r#""body": "\x"}"#,
        r#""body": "\ud800x"}"#,
        r#""body": "\ud800\n"}"#,
        r#""body": "\udc00"}"#,
        r#""body": "\u00g0"}"#,
        "\"body\": \"\nx\"}",
        r#""points": [["x"]]}"#,
        r#""points": [{"x": {"y": 1}}]}"#,
        r#""subject": "again"}"#,
    ] {
        let told = read_chars(&format!(r#"{{"subject": "Hi", {fault}"#));
        assert_eq!(told, pieces(&[("subject", "Hi")]), "{fault}");
    }
}

#[test]
fn endless_words_and_depths_end_it() {
    let long = format!(r#"{{"count": {}, "body": "x"}}"#, "1".repeat(1_000));
    assert_eq!(read([long.as_str()]), []);
    let mut fields = JsonFields::new(KNOWN);
    assert_eq!(fields.push(&format!(r#"{{"other": {}"#, "[".repeat(1_000_000))), []);
    assert!(fields.open.len() <= super::MAX_DEPTH);
}

/// A member's value of every shape that is told.
fn value() -> impl Strategy<Value = Value> {
    let text = || {
        let blanks = "[ \n\r\t\u{a0}\u{feff}\u{2028}ab]{0,12}";
        prop_oneof![any::<String>(), blanks.prop_map(|text| text)].prop_map(Value::from)
    };
    let scalar = move || {
        prop_oneof![
            4 => text(),
            1 => any::<i64>().prop_map(Value::from),
            1 => any::<f64>().prop_map(|number| json!(number)),
            1 => any::<bool>().prop_map(Value::from),
            1 => Just(Value::Null),
        ]
    };
    let object = prop::collection::btree_map(any::<String>(), scalar(), 0..4).prop_map(|map| json!(map));
    prop_oneof![
        4 => scalar(),
        2 => prop::collection::vec(prop_oneof![scalar(), object], 0..5).prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn for_any_cuts_a_members_text_is_that_of_its_value(
        document in prop::collection::btree_map(prop::sample::select([KNOWN, &["other"]].concat()), value(), 0..6),
        pretty: bool,
        escape: bool,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let text = if escape { escaped(&text) } else { text };
        let chars: Vec<char> = text.chars().collect();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len())).chain([0, chars.len()]).collect();
        at.sort_unstable();
        let cut: Vec<String> = at.windows(2).map(|ends| chars[ends[0]..ends[1]].iter().collect()).collect();
        let told_by_field: BTreeMap<&str, String> = read(cut.iter().map(String::as_str)).into_iter().collect();
        let document: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        let whole: BTreeMap<&str, String> = document.iter().filter(|(name, _)| KNOWN.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), told(&stored(value)))).filter(|(_, text)| !text.is_empty()).collect();
        prop_assert_eq!(told_by_field, whole);
    }

    #[test]
    fn nothing_that_comes_is_a_panic(pieces in prop::collection::vec(r#"[\[\]{}":,\\u0-9d8fa \n]{0,12}|\PC{0,8}"#, 0..20)) {
        let mut fields = JsonFields::new(KNOWN);
        fields.push("{");
        for piece in &pieces {
            fields.push(piece);
        }
    }
}

/// The same document with everything but ASCII as `\u` escapes.
fn escaped(document: &str) -> String {
    let mut text = String::new();
    for c in document.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}
