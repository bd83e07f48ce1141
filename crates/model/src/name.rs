//! Names that people read in a list, a title, an audit record or on a page.
//!
//! A name reads as it is stored. Invisible and direction-changing characters are refused, because
//! with them `web\u{202e}gpj.exe` would read as a different name. No script needs them, because
//! every letter has its own direction.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The maximum number of characters in an instance's name, which must not be empty.
pub const INSTANCE_NAME: usize = 128;
/// The maximum number of characters in an access key's name.
pub const KEY_NAME: usize = 64;
/// The maximum number of characters in the user name for a VNC server. VeNCrypt permits more, but
/// no system has such users.
pub const USERNAME: usize = 256;
/// The most characters of the reason that an operator gives for a session's end.
pub const END_NOTE: usize = 200;

/// Returns whether a name contains only permitted characters.
#[must_use]
pub fn is_legible(text: &str) -> bool {
    !text.chars().any(is_hidden)
}

/// The error message for a name that is not legible.
pub const ILLEGIBLE: &str = "must not contain control, direction or invisible characters";

/// Removes hidden characters from a text that a device supplied.
#[must_use]
pub fn without_hidden(text: &str) -> String {
    let shown: String = text.chars().filter(|character| !is_hidden(*character)).collect();
    shown.trim().to_owned()
}

/// Escapes the hidden characters of a foreign text for display on a terminal, including those that
/// would control the terminal. Newlines and tabs stay.
#[must_use]
pub fn escape_hidden(text: &str) -> Cow<'_, str> {
    escaped(text, |character, shown| shown.extend(character.escape_unicode()))
}

/// Escapes the hidden characters of a JSON document for a terminal. JSON's own escapes preserve its
/// meaning.
#[must_use]
pub fn escape_hidden_in_json(document: &str) -> Cow<'_, str> {
    escaped(document, |character, shown| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a `String` cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

fn escaped(text: &str, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let hides = |character: char| is_hidden(character) && !matches!(character, '\n' | '\t');
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hides(character) {
            write(character, &mut shown);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character is invisible, controls a terminal or changes the text's direction.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Direction marks and controls (UAX #9).
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Line and paragraph separators, deprecated format characters, annotations, tags.
            | '\u{2028}' | '\u{2029}' | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
            // Invisible characters. The joiners U+200C and U+200D stay: Persian, Indic scripts and
            // emoji need them.
            | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{3164}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_direction_changing_or_invisible_characters_are_refused() {
        for refused in [
            "web\u{202e}gpj.exe",
            "\u{202a}web",
            "web\u{202b}",
            "web\u{202d}1",
            "\u{2066}web\u{2069}",
            "a\u{2067}b",
            "a\u{2068}b",
            "web\u{200e}",
            "\u{200f}web",
            "a\u{61c}b",
            "web\n",
            "web\u{9b}31m",
            "web\u{2028}2",
            "we\u{200b}b",
            "\u{feff}web",
            "web\u{e0041}",
        ] {
            assert!(!is_legible(refused), "{refused:?}");
        }
    }

    #[test]
    fn characters_that_control_a_terminal_are_escaped() {
        assert_eq!(escape_hidden("a\u{1b}[2Jb\u{202e}c\n\td"), "a\\u{1b}[2Jb\\u{202e}c\n\td");
        assert!(matches!(escape_hidden("Büro\n"), Cow::Borrowed("Büro\n")));
        let document = serde_json::json!({ "a": "\u{9b}31m\u{e0041}\u{1b}é" });
        let written = escape_hidden_in_json(&document.to_string()).into_owned();
        assert_eq!(written, r#"{"a":"\u009b31m\udb40\udc41\u001bé"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&written).expect("JSON"), document);
        assert_eq!(without_hidden(" Büro\u{202e} 1\u{1b}[2J\n"), "Büro 1[2J");
    }

    #[test]
    fn names_in_every_script_are_accepted() {
        for taken in [
            "שרת ראשי",
            "خادم الويب",
            "主服务器",
            "Büro – Drucker № 5",
            "kiosk 🖥",
            "می\u{200c}خواهم",
            "👩\u{200d}💻",
            "क्\u{200d}ष",
        ] {
            assert!(is_legible(taken), "{taken:?}");
        }
    }
}
