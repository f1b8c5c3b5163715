//! Every request that the provider got, in order, with its end.
//!
//! Headers are never kept, so no key can be read here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::dialect::Dialect;

/// A message's text is kept whole up to this many bytes.
const LONGEST_TEXT: usize = 256 * 1024;

/// What a request asked for.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) messages: Value,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) prompt_tokens: usize,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The whole answer was sent.
    Completed,
    /// The connection was broken on purpose.
    Cut,
    /// The client went away first.
    HungUp,
    /// Something that isn't JSON was sent.
    Malformed,
    /// The request itself was refused.
    BadRequest,
    /// An error status was answered.
    Status(u16),
}

impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Completed => serializer.serialize_str("completed"),
            Self::Cut => serializer.serialize_str("cut"),
            Self::HungUp => serializer.serialize_str("hung_up"),
            Self::Malformed => serializer.serialize_str("malformed"),
            Self::BadRequest => serializer.serialize_str("bad_request"),
            Self::Status(status) => serializer.collect_str(&format_args!("status_{status}")),
        }
    }
}

#[derive(Default)]
struct Progress {
    tokens_sent: usize,
    text: String,
    end: Option<End>,
}

struct Entry {
    n: u64,
    dialect: Dialect,
    at: DateTime<Utc>,
    asked: Asked,
    bytes: usize,
    progress: Mutex<Progress>,
}

impl Entry {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let progress = self.progress();
        let at = self.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("n", &self.n)?;
        map.serialize_entry("at", &at)?;
        map.serialize_entry("dialect", &self.dialect)?;
        map.serialize_entry("path", &self.asked.path)?;
        map.serialize_entry("model", &self.asked.model)?;
        map.serialize_entry("stream", &self.asked.stream)?;
        map.serialize_entry("messages", &self.asked.messages)?;
        if let Some(temperature) = self.asked.temperature {
            map.serialize_entry("temperature", &temperature)?;
        }
        if let Some(max_tokens) = self.asked.max_tokens {
            map.serialize_entry("max_tokens", &max_tokens)?;
        }
        map.serialize_entry("prompt_tokens", &self.asked.prompt_tokens)?;
        map.serialize_entry("tokens_sent", &progress.tokens_sent)?;
        map.serialize_entry("text", &progress.text)?;
        map.serialize_entry("end", &progress.end)?;
        map.end()
    }
}

#[derive(Default)]
struct Kept {
    last: u64,
    bytes: usize,
    entries: VecDeque<Arc<Entry>>,
}

/// The log, bounded in entries and in bytes: the oldest are forgotten first.
pub(crate) struct Log {
    most_entries: usize,
    most_bytes: usize,
    kept: Mutex<Kept>,
}

impl Log {
    pub(crate) fn new(most_entries: usize, most_bytes: usize) -> Self {
        Self { most_entries, most_bytes, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request that just came.
    pub(crate) fn open(&self, dialect: Dialect, mut asked: Asked) -> Logged {
        let bytes = shorten(&mut asked.messages);
        let mut kept = self.kept();
        kept.last += 1;
        let entry = Arc::new(Entry { n: kept.last, dialect, at: Utc::now(), asked, bytes, progress: Mutex::default() });
        kept.bytes += bytes;
        kept.entries.push_back(entry.clone());
        while kept.entries.len() > self.most_entries || kept.bytes > self.most_bytes {
            let Some(oldest) = kept.entries.pop_front() else {
                break;
            };
            kept.bytes -= oldest.bytes;
        }
        Logged(entry)
    }

    pub(crate) fn clear(&self) {
        let mut kept = self.kept();
        kept.entries.clear();
        kept.bytes = 0;
    }

    /// The whole log as a JSON array.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let entries: Vec<Arc<Entry>> = self.kept().entries.iter().cloned().collect();
        let entries: Vec<&Entry> = entries.iter().map(Arc::as_ref).collect();
        serde_json::to_vec(&entries)
    }
}

/// Cuts overlong texts; returns about how many bytes the value takes.
fn shorten(value: &mut Value) -> usize {
    match value {
        Value::String(text) => {
            if text.len() > LONGEST_TEXT {
                text.truncate(text.floor_char_boundary(LONGEST_TEXT));
                text.push('…');
            }
            text.len()
        }
        Value::Array(items) => items.iter_mut().map(shorten).sum(),
        Value::Object(map) => map.iter_mut().map(|(key, value)| key.len() + shorten(value)).sum(),
        _ => 8,
    }
}

/// A request in the log while it runs. Dropped without an end, its client went away: the server
/// drops an answer only when nobody is left to read it.
pub(crate) struct Logged(Arc<Entry>);

impl Logged {
    /// A token went out.
    pub(crate) fn sent(&self, piece: &str) {
        let mut progress = self.0.progress();
        progress.tokens_sent += 1;
        if progress.text.len() < LONGEST_TEXT {
            progress.text.push_str(piece);
        }
    }

    /// The request is over; the first end said stands.
    pub(crate) fn end(&self, end: End) {
        self.0.progress().end.get_or_insert(end);
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.end(End::HungUp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(log: &Log) -> Value {
        serde_json::from_slice(&log.to_json().unwrap()).unwrap()
    }

    #[test]
    fn an_entry_grows_and_ends_once() {
        let log = Log::new(10, 1_000);
        let asked = Asked {
            path: "/v1".into(),
            model: Some("m".into()),
            messages: json!([{"role": "user", "content": "hi"}]),
            max_tokens: Some(7),
            prompt_tokens: 9,
            ..Asked::default()
        };
        let entry = log.open(Dialect::OpenAi, asked);
        entry.sent("Hi");
        assert_eq!(shown(&log)[0]["end"], Value::Null);
        entry.end(End::Status(429));
        drop(entry);
        let entry = &shown(&log)[0];
        assert_eq!(entry["end"], "status_429");
        assert_eq!(entry["text"], "Hi");
        assert_eq!(entry["tokens_sent"], 1);
        assert_eq!(entry["max_tokens"], 7);
        assert_eq!(entry.get("temperature"), None);
    }

    #[test]
    fn dropped_without_an_end_is_hung_up() {
        let log = Log::new(10, 1_000);
        drop(log.open(Dialect::OpenAi, Asked::default()));
        assert_eq!(shown(&log)[0]["end"], "hung_up");
    }

    #[test]
    fn the_oldest_are_forgotten_by_count_and_by_bytes() {
        let log = Log::new(2, 1_000);
        for _ in 0..3 {
            log.open(Dialect::OpenAi, Asked::default());
        }
        assert_eq!(shown(&log)[0]["n"], 2);
        for _ in 0..3 {
            log.open(Dialect::OpenAi, Asked { messages: json!("x".repeat(600)), ..Asked::default() });
        }
        assert_eq!(shown(&log).as_array().unwrap().len(), 1);
        log.clear();
        assert_eq!(shown(&log), json!([]));
        log.open(Dialect::OpenAi, Asked::default());
        assert_eq!(shown(&log)[0]["n"], 7);
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let log = Log::new(2, usize::MAX);
        log.open(
            Dialect::OpenAi,
            Asked { messages: json!([{"content": "é".repeat(LONGEST_TEXT)}]), ..Asked::default() },
        );
        let entry = shown(&log);
        let text = entry[0]["messages"][0]["content"].as_str().unwrap();
        assert!(text.len() <= LONGEST_TEXT + 3 && text.ends_with("é…"));
    }
}
