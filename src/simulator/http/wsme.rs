//! Request bodies as Magnum's web framework, WSME, reads them, in its words for what it refuses
//! (docs/openstack-behaviour.md#a-resize-what-is-checked-and-when: what is checked;
//! `magnum-nodegroup-create-bad-count.http` and its neighbours).

use serde_json::{Map, Value};

/// What Magnum says to a body that is no JSON.
pub(super) const NO_JSON: &str = "Request is not in valid JSON format";

/// The fields of a body that is to hold `argument`; the error names the first one that is not `known`.
pub(super) fn object(body: &[u8], argument: &str, known: &[&str]) -> Result<Map<String, Value>, String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(NO_JSON.to_owned());
    };
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(unknown) => Err(format!("Unknown attribute for argument {argument}: {unknown}")),
        None => Ok(fields),
    }
}

/// A count that is no smaller than `least`; a text of digits is one as well. `None` where the field is missing or null.
pub(super) fn count(
    fields: &Map<String, Value>,
    field: &str,
    argument: &str,
    least: u32,
) -> Result<Option<u32>, String> {
    let value = match fields.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let number = match value {
        Value::String(text) => text.trim().parse::<i64>().map_err(|_| {
            let request = Value::Object(fields.clone());
            let reason = format!("invalid literal for int() with base 10: {}", python(value));
            invalid(argument, &request, &reason)
        })?,
        _ => value.as_i64().ok_or_else(|| invalid(field, value, "Wrong type."))?,
    };
    at_least(least, number).map(Some).ok_or_else(|| too_small(field, value, least))
}

/// A number that is no smaller than this.
pub(super) fn at_least(least: u32, number: i64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| *number >= least)
}

/// What is said of one that is.
pub(super) fn too_small(field: &str, value: &Value, least: u32) -> String {
    invalid(field, value, &format!("Value should be greater or equal to {least}"))
}

/// A text; `None` where the field is missing or null.
pub(super) fn text_of(fields: &Map<String, Value>, field: &str) -> Result<Option<String>, String> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(invalid(field, other, "Wrong type.")),
    }
}

/// A field without which there is no request.
pub(super) fn missing(field: &str) -> String {
    invalid(field, &Value::Null, "Mandatory field missing.")
}

/// A value that will not do.
pub(super) fn invalid(field: &str, value: &Value, reason: &str) -> String {
    format!("Invalid input for field/attribute {field}. Value: '{}'. {reason}", plain(value))
}

/// A value as Python's `str` has it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python(other),
    }
}

/// A value as Python's `repr` has it.
pub(super) fn python(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{text}'"),
        Value::Array(items) => format!("[{}]", list(items.iter().map(python).collect())),
        Value::Object(fields) => {
            let entries = fields.iter().map(|(key, value)| format!("'{key}': {}", python(value))).collect();
            format!("{{{}}}", list(entries))
        }
    }
}
