//! Names that people read: in a list, a title, an audit record, on a page.
//!
//! A name shows as what it is. Characters that nobody sees, or that turn the text around, make `web\u{202e}gpj.exe` read as another
//! one's name; text of any script goes without them, as every letter knows its own direction.

use std::borrow::Cow;

/// An instance's name has so many characters at most, and one at least.
pub const INSTANCE_NAME: usize = 128;
/// An access key's name has so many characters at most.
pub const KEY_NAME: usize = 64;
/// The name of the user as whom a VNC server is spoken to has so many characters at most. VeNCrypt has room for more, and no
/// system has such users.
pub const USERNAME: usize = 256;

/// Whether a text may be a name, as far as its characters go.
#[must_use]
pub fn is_legible(text: &str) -> bool {
    !text.chars().any(is_hidden)
}

/// What is wrong with a name that is not legible.
pub const ILLEGIBLE: &str = "must hold no control, direction or invisible characters";

/// A text of a device's own, without what would be hidden in it.
#[must_use]
pub fn shown(text: &str) -> String {
    let shown: String = text.chars().filter(|character| !is_hidden(*character)).collect();
    shown.trim().to_owned()
}

/// A text of somebody else's for a terminal, with what would be hidden, or would command the terminal, written out. Lines and
/// tabs stay.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let hides = |character: char| is_hidden(character) && !matches!(character, '\n' | '\t');
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hides(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether nobody sees a character, or it commands a terminal or turns the text around.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Marks and controls of direction (UAX #9).
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // Separators of lines and paragraphs, deprecated format characters, annotations, tags.
            | '\u{2028}' | '\u{2029}' | '\u{206a}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
            // Nothing to be seen at all. Joiners (U+200C, U+200D) stay: Persian, Indic scripts and emoji need them.
            | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{3164}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_a_text_around_or_is_not_seen_is_in_no_name() {
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
    fn what_would_command_a_terminal_is_written_out() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\n\td"), "a\\u{1b}[2Jb\\u{202e}c\n\td");
        assert!(matches!(visible("Büro\n"), Cow::Borrowed("Büro\n")));
        assert_eq!(shown(" Büro\u{202e} 1\u{1b}[2J\n"), "Büro 1[2J");
    }

    #[test]
    fn names_of_every_script_are_names() {
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
