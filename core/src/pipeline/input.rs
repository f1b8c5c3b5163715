//! An edited input: what an operator may change of what a run was given. It must still be its pipeline's input, and lead to the
//! same thing: what the run makes, and for whom of a batch, is reserved.

use serde_json::Value;

use super::{EmailInput, PipelineInput, ScriptInput, SummaryInput};

/// Longer is nobody's instruction.
const MAX_BYTES: usize = 64 * 1024;
/// What names the thing that is made, and where it belongs.
const RESERVED: [&str; 5] = ["email_id", "script_id", "session_id", "previous", "cutoff_sequence"];

/// Why an edited input is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputFault {
    /// It doesn't read as its pipeline's.
    #[error("it is no input of this pipeline: {0}")]
    Misshapen(String),
    /// It names what there isn't.
    #[error("{0} is not known here")]
    Unknown(String),
    /// It changes what is reserved.
    #[error("{0} can't be changed")]
    Reserved(String),
    /// It is too long.
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLong,
    /// PostgreSQL takes it neither in text nor in JSON.
    #[error("it contains U+0000")]
    Nul,
}

/// Reads an edited input against the one that it replaces. `of_batch`: its client can't be changed.
///
/// # Errors
/// If it is none.
pub fn edited(pipeline: &str, original: &Value, edited: &Value, of_batch: bool) -> Result<Value, InputFault> {
    let text = edited.to_string();
    if text.len() > MAX_BYTES {
        return Err(InputFault::TooLong);
    }
    if text.contains("\\u0000") {
        return Err(InputFault::Nul);
    }
    let read = match pipeline {
        "email" => read::<EmailInput>(edited)?,
        "script" => read::<ScriptInput>(edited)?,
        "summary" => read::<SummaryInput>(edited)?,
        _ => edited.clone(),
    };
    let given = edited.as_object().ok_or_else(|| InputFault::Misshapen("it must be an object".to_owned()))?;
    if let Some(name) = given.keys().find(|name| read.get(name.as_str()).is_none()) {
        return Err(InputFault::Unknown(name.clone()));
    }
    let fixed = RESERVED.iter().chain(of_batch.then_some(&"client_id"));
    let changed =
        |name: &&&str| read.get(**name).unwrap_or(&Value::Null) != original.get(**name).unwrap_or(&Value::Null);
    match fixed.into_iter().find(changed) {
        Some(name) => Err(InputFault::Reserved((*name).to_owned())),
        None => Ok(read),
    }
}

fn read<I: PipelineInput>(edited: &Value) -> Result<Value, InputFault> {
    let misshapen = |error: serde_json::Error| InputFault::Misshapen(error.to_string());
    serde_json::from_value::<I>(edited.clone()).and_then(|input| serde_json::to_value(input)).map_err(misshapen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::EmailId;

    fn original() -> Value {
        json!({"email_id": EmailId::new(), "email_type": "follow_up", "product_id": null, "client_id": null,
               "instructions": "Be brief", "name": null, "description": null, "session_id": null, "previous": null})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut input = original();
        input[name] = value;
        input
    }

    #[test]
    fn what_is_asked_for_can_be_edited() {
        let original = original();
        let mut edit = original.clone();
        edit["instructions"] = json!("Be long");
        assert_eq!(edited("email", &original, &edit, false), Ok(edit.clone()));
    }

    #[test]
    fn what_is_reserved_misshapen_unknown_or_too_long_is_refused() {
        let original = original();
        let edit = |name: &str, value: Value| {
            let mut input = original.clone();
            input[name] = value;
            edited("email", &original, &input, true)
        };
        assert_eq!(edit("email_id", json!(EmailId::new())), Err(InputFault::Reserved("email_id".to_owned())));
        assert_eq!(edit("client_id", json!(EmailId::new())), Err(InputFault::Reserved("client_id".to_owned())));
        assert_eq!(edit("tone", json!("warm")), Err(InputFault::Unknown("tone".to_owned())));
        assert!(matches!(edit("email_type", json!("poem")), Err(InputFault::Misshapen(_))));
        assert_eq!(edit("instructions", json!("a\u{0}b")), Err(InputFault::Nul));
        assert_eq!(edit("instructions", json!("x".repeat(70_000))), Err(InputFault::TooLong));
        assert!(matches!(edited("email", &original, &json!([]), false), Err(InputFault::Misshapen(_))));
        assert!(matches!(edited("email", &original, &json!({}), false), Err(InputFault::Misshapen(_))));
        assert!(edited("email", &with("name", json!(1)), &with("name", json!(1)), false).is_err());
    }
}
