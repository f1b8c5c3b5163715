//! What is kept of content beside what it says.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// A row of content: what it says, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<T> {
    /// What it says.
    pub content: T,
    /// Whether it is shown: what was put away stays, and can be brought back.
    pub is_active: bool,
    /// Grows with each change, from 1.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// The texts of a JSON list; `{"name": …}` counts as its name, anything else is left out.
pub(super) fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_str().or_else(|| item.get("name").and_then(Value::as_str)))
        .map(str::to_owned)
        .collect()
}
