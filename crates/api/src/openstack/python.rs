//! Values as Python writes them, for Nova's sentences about bad input.

use std::fmt::Write as _;

use serde_json::Value;

/// The maximum number of characters of a value in a sentence.
const LONGEST: usize = 200;

/// Writes a value as Python's `str` does, cut to [`LONGEST`] characters.
pub(super) fn display(value: &Value) -> String {
    let mut text = match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    };
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Writes a value as Python's `repr` does.
pub(super) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

/// Writes a text as Python's `repr` does.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => out.push_str(&quoted(text)),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                out.push_str(&quoted(name));
                out.push_str(": ");
                write(out, member);
            }
            out.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_as_python_writes_them() {
        assert_eq!(repr(&json!({"type": "novnc"})), "{'type': 'novnc'}");
        assert_eq!(
            repr(&json!([null, true, 1.5, "it's", "\n\u{1}"])),
            r#"[None, True, 1.5, "it's", '\n\x01']"#
        );
        assert_eq!(display(&json!("bogus")), "bogus");
        assert_eq!(display(&json!("x".repeat(500))).chars().count(), LONGEST + 1);
    }
}
