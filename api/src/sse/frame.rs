//! Frames of `text/event-stream`.

use bytes::Bytes;
use hellosales_core::RunId;
use hellosales_core::stream::read::StreamRow;
use serde_json::{Map, Value, json};

use super::text::TextSoFar;
use crate::object::RunObject;

/// How long a browser waits before it reconnects: random, so that a fleet doesn't come back at once.
pub(super) fn retry(random: u64) -> Bytes {
    Bytes::from(format!("retry: {}\n\n", 500 + random % 2501))
}

/// Keeps proxies from giving up.
pub(super) fn comment() -> Bytes {
    Bytes::from_static(b": \n\n")
}

/// JSON has no raw line break, so the data is one line.
pub(super) fn frame(seq: Option<i64>, event: &str, data: &Value) -> Bytes {
    let id = seq.map_or_else(String::new, |seq| format!("id: {seq}\n"));
    Bytes::from(format!("{id}event: {event}\ndata: {data}\n\n"))
}

fn with_head(run: RunId, seq: Option<i64>, event: &str, members: Value) -> Value {
    let mut data = Map::new();
    data.insert("type".to_owned(), json!(event));
    data.insert("run_id".to_owned(), json!(run));
    data.insert("seq".to_owned(), json!(seq));
    if let Value::Object(members) = members {
        data.extend(members);
    }
    if let Some(Value::String(at)) = data.get_mut("at")
        && let Some(utc) = at.strip_suffix("+00:00")
    {
        *at = format!("{utc}Z");
    }
    Value::Object(data)
}

/// An event as it was stored.
pub(super) fn stored(row: StreamRow) -> Bytes {
    let data = with_head(row.run_id, Some(row.seq), &row.event, row.data);
    frame(Some(row.seq), &row.event, &data)
}

/// The end of a generation, with the whole Run as it is now.
pub(super) fn ended(seq: i64, event: &str, members: Value, run: &RunObject) -> Bytes {
    let mut data = with_head(run.id.into(), Some(seq), event, members);
    if let Value::Object(data) = &mut data {
        data.insert("run".to_owned(), json!(run));
    }
    frame(Some(seq), event, &data)
}

/// The text so far: one, or one a field.
pub(super) fn snapshot(seq: i64, run: &RunObject, text: &TextSoFar, attempt: Option<&Value>, at: &Value) -> Bytes {
    let members = json!({"at": at, "attempt": attempt, "text": text.plain(), "fields": text.by_field(), "run": run});
    frame(Some(seq), "run.snapshot", &with_head(run.id.into(), Some(seq), "run.snapshot", members))
}

/// Reconnect elsewhere, or with another token. No id: the position stays.
pub(super) fn closing(run: RunId, reason: &str, at: &Value) -> Bytes {
    frame(None, "stream.closing", &with_head(run, None, "stream.closing", json!({"reason": reason, "at": at})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_frame_with_its_position_in_both_places() {
        let run = RunId::new();
        let data = json!({"delta": "a\nb\r\u{2028}", "field": null, "attempt": 1, "at": "2026-01-01T00:00:00.5+00:00"});
        let bytes = stored(StreamRow { run_id: run, seq: 3_000_017, event: "output.delta".into(), data });
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!((lines[0], lines[1], lines[3], lines[4]), ("id: 3000017", "event: output.delta", "", ""));
        let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], "output.delta");
        assert_eq!(data["seq"], 3_000_017);
        assert_eq!(data["run_id"], run.to_string());
        assert_eq!(data["at"], "2026-01-01T00:00:00.5Z");
        assert_eq!(data["delta"], "a\nb\r\u{2028}");
    }

    #[test]
    fn the_wait_before_a_reconnect_is_within_its_bounds() {
        assert_eq!(retry(0), "retry: 500\n\n");
        assert_eq!(retry(2500), "retry: 3000\n\n");
        assert_eq!(retry(2501), "retry: 500\n\n");
    }
}
