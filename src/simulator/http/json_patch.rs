//! JSON patches as Magnum checks and applies them (Magnum 15.0.1 `api/controllers/v1/types.py` JsonPatchType,
//! `api/utils.py` apply_jsonpatch; `magnum-nodegroup-patch-internal.http` and its neighbours).

use serde_json::{Map, Value};

use super::wsme::{NO_JSON, at_least, invalid, missing, python, too_small};

/// One change of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    kind: Kind,
    /// The attribute's name, without the slash before it.
    attribute: String,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Add,
    Replace,
    Remove,
}

/// The operations of a body; the error has Magnum's words. `internal` are the attributes that no patch may touch.
pub(super) fn parse(body: &[u8], internal: &[&str]) -> Result<Vec<Operation>, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Array(operations)) => {
            operations.iter().map(|operation| parse_operation(operation, internal)).collect()
        }
        Ok(other) => {
            let reason = format!("Value not a valid list: {}", python(&other));
            Err(invalid("patch", &other, &reason))
        }
        Err(_) => Err(NO_JSON.to_owned()),
    }
}

fn parse_operation(operation: &Value, internal: &[&str]) -> Result<Operation, String> {
    let path = operation.get("path").and_then(Value::as_str).ok_or_else(|| missing("path"))?;
    if !is_path(path) {
        let value = Value::String(path.to_owned());
        return Err(invalid("path", &value, r"Value should match the pattern ^(/[\w-]+)+$"));
    }
    let kind = match operation.get("op").and_then(Value::as_str).ok_or_else(|| missing("op"))? {
        "add" => Kind::Add,
        "replace" => Kind::Replace,
        "remove" => Kind::Remove,
        other => {
            let value = Value::String(other.to_owned());
            return Err(invalid("op", &value, "Value should be one of: remove, add, replace"));
        }
    };
    let attribute = path.trim_start_matches('/').to_owned();
    if internal.contains(&attribute.as_str()) {
        return Err(format!("'{path}' is an internal attribute and can not be updated"));
    }
    let value = operation.get("value").cloned().unwrap_or_default();
    if value.is_null() && kind != Kind::Remove {
        return Err("'add' and 'replace' operations needs value".to_owned());
    }
    Ok(Operation { kind, attribute, value: text_or_integer(value)? })
}

fn is_path(path: &str) -> bool {
    let word = |part: &str| {
        !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || "_-".contains(letter))
    };
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(word))
}

/// Python's booleans are integers.
fn text_or_integer(value: Value) -> Result<Value, String> {
    let kind = match &value {
        Value::Bool(value) => return Ok(Value::from(i32::from(*value))),
        Value::Null | Value::String(_) => return Ok(value),
        Value::Number(number) if number.is_i64() || number.is_u64() => return Ok(value),
        Value::Number(_) => "float",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    };
    let reason = format!("Wrong type. Expected '(<class 'str'>, <class 'int'>)', got '<class '{kind}'>'");
    Err(invalid("value", &value, &reason))
}

/// Carries the operations out on a record; the error has Magnum's words.
pub(super) fn apply(operations: &[Operation], record: &mut Map<String, Value>) -> Result<(), String> {
    for Operation { kind, attribute, value } in operations {
        let before = record.get(attribute);
        match (kind, before) {
            (Kind::Add, None) => {
                return Err(format!(
                    "Adding a new attribute /{attribute} to the root of the resource is not allowed."
                ));
            }
            (Kind::Add, Some(before)) if !before.is_null() => {
                return Err(format!(
                    "The attribute /{attribute} has existed, please use 'replace' operation instead."
                ));
            }
            (Kind::Replace | Kind::Remove, None) => {
                let verb = if *kind == Kind::Remove { "remove" } else { "replace" };
                let patch: Vec<String> = operations.iter().map(Operation::python).collect();
                return Err(format!(
                    "Couldn't apply patch '[{}]'. Reason: can't {verb} a non-existent object '{attribute}'",
                    patch.join(", ")
                ));
            }
            _ => {}
        }
        record.insert(attribute.clone(), value.clone());
    }
    Ok(())
}

/// A patched count; null becomes `None`. A text is none, not even one of digits (`magnum-nodegroup-patch-text.http`).
pub(super) fn count(record: &Map<String, Value>, attribute: &str, least: u32) -> Result<Option<u32>, String> {
    match record.get(attribute) {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::Number(number)) => number
            .as_i64()
            .and_then(|number| at_least(least, number))
            .map(Some)
            .ok_or_else(|| too_small(attribute, value, least)),
        Some(value) => {
            Err(invalid(attribute, value, "'<' not supported between instances of 'str' and 'int'"))
        }
    }
}

impl Operation {
    /// Whether it is about this attribute.
    pub(super) fn is_of(&self, attribute: &str) -> bool {
        self.attribute == attribute
    }

    fn python(&self) -> String {
        let Self { kind, attribute, value } = self;
        let (op, value) = match kind {
            Kind::Add => ("add", format!(", 'value': {}", python(value))),
            Kind::Replace => ("replace", format!(", 'value': {}", python(value))),
            Kind::Remove => ("remove", String::new()),
        };
        format!("{{'path': '/{attribute}', 'op': '{op}'{value}}}")
    }
}
