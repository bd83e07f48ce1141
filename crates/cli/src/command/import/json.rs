//! JSON: an array of objects, or one object after the other.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::row::{Fault, Row, Spot};

/// Reads the objects.
pub(super) fn read(text: &str) -> (Vec<Row>, Vec<Fault>) {
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let values: Result<Vec<&RawValue>, _> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text)
    } else {
        serde_json::Deserializer::from_str(text).into_iter().collect()
    };
    match values {
        Ok(values) => {
            for value in values {
                match row(text, value) {
                    Ok(row) => rows.push(row),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        Err(error) => faults.push(fault_of(text, &error)),
    }
    (rows, faults)
}

fn row(text: &str, value: &RawValue) -> Result<Row, Fault> {
    let start = spot(text, value.get());
    let Ok(Members(found)) = serde_json::from_str(value.get()) else {
        let problem =
            "an instance is an object, such as { \"id\": \"vm-1\", \"endpoint\": \"vnc://192.0.2.1\" }";
        return Err(Fault { spot: start, problem: problem.to_owned() });
    };
    let mut body = Map::new();
    let mut members = Vec::new();
    for (name, value) in found {
        let spot = spot(text, value.get());
        let read = serde_json::from_str::<Value>(value.get())
            .map_err(|error| Fault { spot, problem: error.to_string() })?;
        if body.insert(name.clone().into_owned(), read).is_some() {
            return Err(Fault { spot, problem: format!("{name}: is given twice") });
        }
        members.push((name.into_owned(), spot));
    }
    Ok(Row { body, start, members })
}

/// The position of a part of the text.
fn spot(text: &str, part: &str) -> Spot {
    Spot { at: part.as_ptr().addr().saturating_sub(text.as_ptr().addr()), column: None }
}

fn fault_of(text: &str, error: &serde_json::Error) -> Fault {
    let sentence = error.to_string();
    let problem = sentence.rsplit_once(" at line ").map_or(sentence.as_str(), |(problem, _)| problem);
    let line = error.line().saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    // The column counts bytes.
    let at = (before + error.column().saturating_sub(1)).min(text.len());
    let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Fault { spot: Spot { at, column: None }, problem: format!("this is not JSON: {problem}") }
}

/// The members of an object, in order and unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
