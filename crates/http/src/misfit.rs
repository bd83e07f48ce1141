//! Error messages about values that do not fit. They repeat no value, since it may be a secret and
//! the message is logged.

use transom_app::Error;

/// Rewrites an error of serde (`member: invalid type: sequence, expected a string at line 1 column
/// 2`) in Transom's words.
pub fn misfit(cause: &str) -> Error {
    let cause = cause.rsplit_once(" at line ").map_or(cause, |(cause, _)| cause);
    let (member, problem) = match cause.split_once(": ") {
        Some((member, problem)) if !member.contains(' ') => (Some(member), problem),
        _ => (None, cause),
    };
    if let Some(name) = quoted(problem, "missing field ") {
        return Error::invalid(within(member, name), "is missing");
    }
    if let Some(name) = quoted(problem, "duplicate field ") {
        return Error::invalid(within(member, name), "is given twice");
    }
    let wrong = ["invalid type: ", "invalid value: "].iter().find_map(|words| problem.strip_prefix(words));
    let said = match wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) {
        // A number, but outside the range.
        Some((found, wanted)) if in_json(found) == NUMBER && wanted.contains("number") => {
            format!("must be {wanted}")
        }
        Some((found, wanted)) => format!("must be {}, not {}", expected(wanted), in_json(found)),
        None => words(problem),
    };
    match member {
        Some(member) => Error::invalid(member.to_owned(), said),
        None if wrong.is_some() => Error::Malformed(format!("the body {said}")),
        None => Error::Malformed(said),
    }
}

/// Returns the name in backticks after these words, if the text ends with it.
fn quoted<'a>(problem: &'a str, words: &str) -> Option<&'a str> {
    problem.strip_prefix(words)?.strip_prefix('`')?.strip_suffix('`')
}

/// The path of a member of the object at `path`.
fn within(path: Option<&str>, member: &str) -> String {
    match path.filter(|path| *path != "." && !path.ends_with(member)) {
        Some(path) => format!("{path}.{member}"),
        None => member.to_owned(),
    }
}

/// Returns the message for any other problem. It leaves out the value that is not in the list of
/// choices.
fn words(problem: &str) -> String {
    let choices = problem.strip_prefix("unknown variant ").and_then(|rest| rest.rsplit_once("`, expected "));
    match choices {
        Some((_, choices)) => format!("must be {}", choices.replace('`', "")),
        None => problem.to_owned(),
    }
}

/// JSON's name for the type that serde expected.
fn expected(wanted: &str) -> &str {
    match wanted {
        "a sequence" => "an array",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        _ if wanted.starts_with("struct ") => "an object",
        _ => wanted,
    }
}

const NUMBER: &str = "a number";

/// JSON's name for the type that serde found, without the value.
fn in_json(found: &str) -> &'static str {
    const KINDS: [(&str, &str); 7] = [
        ("sequence", "an array"),
        ("map", "an object"),
        ("string ", "a string"),
        ("boolean ", "a boolean"),
        ("integer ", NUMBER),
        ("floating point ", NUMBER),
        ("null", "null"),
    ];
    KINDS.iter().find(|(kind, _)| found.starts_with(kind)).map_or("this", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Page,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read for what is wrong with it")]
    struct Body {
        name: String,
        size: Option<u32>,
        list: Option<Vec<String>>,
        kind: Option<Kind>,
    }

    #[test]
    fn a_reason_names_the_member_and_repeats_no_value() {
        for (text, expected) in [
            ("{}", "name: is missing"),
            (r#"{"name": 4711}"#, "name: must be a string, not a number"),
            (r#"{"name": ["hush"]}"#, "name: must be a string, not an array"),
            (r#"{"name": "a", "size": "hush"}"#, "size: must be a whole number, not a string"),
            (r#"{"name": "a", "size": "hush, expected u32"}"#, "size: must be a whole number, not a string"),
            (r#"{"name": "a", "size": -4711}"#, "size: must be a whole number, not a number"),
            (r#"{"name": "a", "kind": "hush"}"#, "kind: must be page"),
            (r#"{"name": "a", "list": [null]}"#, "list[0]: must be a string, not null"),
            (r#"{"name": "a", "name": "b"}"#, "name: is given twice"),
            (r#"["hush"]"#, "the body must be an object, not an array"),
        ] {
            let mut reader = serde_json::Deserializer::from_str(text);
            let error = serde_path_to_error::deserialize::<_, Body>(&mut reader).map(drop);
            let said = misfit(&error.expect_err(text).to_string()).to_string();
            if text.starts_with('{') {
                assert_eq!(said, expected, "{text}");
            }
            assert!(!said.contains("hush") && !said.contains("4711"), "{said}");
        }
    }
}
