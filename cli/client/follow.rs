//! Follows a run to its end.

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::feed::Feed;
use super::{Api, Run};

/// What a follower sees.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// More text; of a script or an email, of one of its fields.
    Delta {
        /// Which.
        field: Option<String>,
        /// The text.
        text: String,
    },
    /// The text so far, in place of what was known: one, or one a field.
    Snapshot(Vec<(Option<String>, String)>),
    /// Forget the text so far, and why.
    Reset(String),
    /// A stage began.
    Started {
        /// Which.
        stage: String,
        /// For the how manieth time.
        attempt: i64,
    },
    /// It waits, and what for.
    Waiting(String),
    /// It has ended.
    Ended(Box<Run>),
}

/// Text on its way to a terminal, the fields of a script or an email set apart.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    field: Option<String>,
}

impl Reading {
    /// The next text, under the field's name where another field begins.
    pub(crate) fn next(&mut self, field: Option<&str>, text: &str) -> String {
        if self.field.as_deref() == field {
            return text.to_owned();
        }
        let apart = if self.field.is_some() { "\n\n" } else { "" };
        self.field = field.map(str::to_owned);
        let name = field.map(|field| format!("[{field}]\n")).unwrap_or_default();
        format!("{apart}{name}{text}")
    }
}

/// A follower.
pub(crate) struct Follow {
    feed: Feed,
}

/// What the data of an event may hold.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Data {
    field: Option<String>,
    delta: String,
    #[serde(deserialize_with = "or_empty")]
    text: String,
    fields: Option<Map<String, Value>>,
    reason: String,
    stage: String,
    attempt: Value,
    waiting: Value,
    run: Value,
}

impl Data {
    /// What a snapshot says.
    fn said(self) -> Vec<(Option<String>, String)> {
        let plain = (!self.text.is_empty()).then_some((None, self.text));
        let fields = self.fields.into_iter().flatten();
        let by_field = fields.filter_map(|(field, text)| Some((Some(field), text.as_str()?.to_owned())));
        plain.into_iter().chain(by_field).collect()
    }
}

/// A text, or nothing in its place.
fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

impl Follow {
    pub(super) fn new(api: Api, run: Uuid) -> Self {
        Self { feed: Feed::new(api, format!("/runs/{run}/events"), format!("run {run}")) }
    }

    /// The next event; `None` after the end. Given up in mid-wait, it goes on where it was.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        while let Some((name, data)) = self.feed.next().await? {
            if let Some(event) = Self::read(&name, data)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn read(name: &str, data: Value) -> anyhow::Result<Option<Event>> {
        let data: Data = serde_json::from_value(data)?;
        Ok(match name {
            "output.delta" => Some(Event::Delta { field: data.field, text: data.delta }),
            "run.snapshot" => Some(Event::Snapshot(data.said())),
            "output.reset" => Some(Event::Reset(data.reason)),
            "stage.started" => Some(Event::Started { stage: data.stage, attempt: data.attempt.as_i64().unwrap_or(1) }),
            "run.waiting" => {
                data.waiting.get("reason").and_then(Value::as_str).map(|why| Event::Waiting(why.to_owned()))
            }
            "run.completed" | "run.failed" | "run.cancelled" => Some(Event::Ended(serde_json::from_value(data.run)?)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_set_apart_and_a_plain_text_is_itself() {
        let mut reading = Reading::default();
        assert_eq!(["Hel", "lo"].map(|text| reading.next(None, text)).concat(), "Hello");
        let parts = [("subject", "H"), ("subject", "i"), ("body", "Dear Ana")];
        let said: String = parts.iter().map(|(field, text)| reading.next(Some(field), text)).collect();
        assert_eq!(said, "[subject]\nHi\n\n[body]\nDear Ana");
    }

    #[test]
    fn a_snapshot_says_one_text_or_a_text_a_field() {
        let said = |data: &str| serde_json::from_str::<Data>(data).unwrap().said();
        assert_eq!(said(r#"{"text": "Hello", "fields": null}"#), [(None, "Hello".to_owned())]);
        assert_eq!(
            said(r#"{"text": null, "fields": {"body": "Dear"}}"#),
            [(Some("body".to_owned()), "Dear".to_owned())]
        );
    }
}
