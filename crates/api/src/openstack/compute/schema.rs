//! Checks of bodies, with Nova's sentences for their faults.

use serde_json::{Map, Value};

use crate::openstack::body::MALFORMED;
use crate::openstack::fault::Fault;
use crate::openstack::python::{display, quoted};

/// Reads an object of exactly these members, each a string out of a list, such as
/// `os-getVNCConsole` with `type`.
///
/// Returns the strings in the order of `members`.
pub(super) fn texts<'a, const N: usize>(
    at: &str,
    value: &'a Value,
    members: [(&'static str, &[&str]); N],
) -> Result<[&'a str; N], Fault> {
    let object = object(at, value)?;
    if let Some((missing, _)) = members.iter().find(|(name, _)| !object.contains_key(*name)) {
        let sentence = format!("{} is a required property", quoted(missing));
        return Err(wrong(at, value, &sentence, &sentence));
    }
    if let Some(sentence) = unexpected(object, &members.map(|(name, _)| name)) {
        return Err(wrong(at, value, &sentence, &sentence));
    }
    let mut found = [""; N];
    for (text, (name, choices)) in found.iter_mut().zip(members) {
        *text = choice(name, &object[name], choices)?;
    }
    Ok(found)
}

/// Reads the members of an object.
pub(super) fn object<'a>(at: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Fault> {
    value.as_object().ok_or_else(|| wrong(at, value, &of_type(value, "object"), "must be an object"))
}

/// Reads a string.
pub(super) fn text<'a>(at: &str, value: &'a Value) -> Result<&'a str, Fault> {
    value.as_str().ok_or_else(|| wrong(at, value, &of_type(value, "string"), "must be a string"))
}

/// Reads the single member of a whole body.
pub(super) fn only_member<'a>(body: &'a Value, name: &'static str) -> Result<&'a Value, Fault> {
    let Some(object) = body.as_object() else {
        return Err(Fault::bad_request(MALFORMED).because("the body is not a JSON object"));
    };
    let value = object.get(name);
    let value =
        value.ok_or_else(|| Fault::bad_request(format!("{} is a required property", quoted(name))))?;
    match unexpected(object, &[name]) {
        Some(sentence) => Err(Fault::bad_request(sentence)),
        None => Ok(value),
    }
}

fn choice<'a>(at: &str, value: &'a Value, choices: &[&str]) -> Result<&'a str, Fault> {
    let text = text(at, value)?;
    if choices.contains(&text) {
        return Ok(text);
    }
    let list: Vec<String> = choices.iter().map(|choice| quoted(choice)).collect();
    let list = list.join(", ");
    let sentence = format!("{} is not one of [{list}]", quoted(&display(value)));
    Err(wrong(at, value, &sentence, &format!("is not one of [{list}]")))
}

fn unexpected(object: &Map<String, Value>, known: &[&str]) -> Option<String> {
    let extra: Vec<String> = object
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .take(5)
        .map(|name| quoted(&display(&name.as_str().into())))
        .collect();
    let verb = if extra.len() == 1 { "was" } else { "were" };
    let names = extra.join(", ");
    (!extra.is_empty()).then(|| format!("Additional properties are not allowed ({names} {verb} unexpected)"))
}

fn of_type(value: &Value, kind: &str) -> String {
    let value = match value {
        Value::String(_) => quoted(&display(value)),
        _ => display(value),
    };
    format!("{value} is not of type '{kind}'")
}

/// Creates the fault of an unfit value. Nova's sentence repeats the value. The reason for the log
/// does not.
pub(super) fn wrong(at: &str, value: &Value, sentence: &str, reason: &str) -> Fault {
    let message = format!("Invalid input for field/attribute {at}. Value: {}. {sentence}", display(value));
    Fault::bad_request(message).because(format!("{at}: {reason}"))
}
