//! Headers that an instance's owner adds to the gateway's request for a WebSocket (RFC 9110 §5).
//!
//! Their text is a secret: one `Name: value` in each line. Neither an error nor `Debug` shows any
//! part of it.

use std::fmt;

/// The most headers of one instance.
pub const MOST: usize = 16;
/// The longest text in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;

/// The prefix of the names that belong to the WebSocket handshake.
const OF_WEB_SOCKET: &str = "Sec-WebSocket-";
/// The names that would change the request's target, length, or connection.
const RESERVED: &[&str] = &[
    "Host",
    "Connection",
    "Upgrade",
    "Content-Length",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Keep-Alive",
    "Proxy-Connection",
    "Expect",
];

/// A header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// The name, a token of RFC 9110 §5.6.2.
    pub name: &'a str,
    /// The value, without spaces around it.
    pub value: &'a str,
}

impl fmt::Debug for RequestHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestHeader(..)")
    }
}

/// The reason why a text is not a list of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestHeadersError {
    /// The text is longer than [`MAX_LENGTH`].
    #[error("must be at most {MAX_LENGTH} bytes")]
    TooLong,
    /// The text contains more than [`MOST`] headers.
    #[error("must contain at most {MOST} headers")]
    TooMany,
    /// The line has no colon, or the text before the colon is not a token.
    #[error("line {0} must be a name, a colon and a value (Name: value)")]
    Form(usize),
    /// The line continues the previous one, an obsolete form.
    #[error("line {0} begins with a space: a header must be in one line")]
    Folded(usize),
    /// The value contains a control character.
    #[error("line {0} contains a control character")]
    Control(usize),
    /// The name is reserved.
    #[error("line {line} must not set {name}: the gateway decides about it")]
    Reserved {
        /// The line's number.
        line: usize,
        /// The reserved name.
        name: &'static str,
    },
    /// An earlier line has the same name.
    #[error("line {0} repeats the name of an earlier line")]
    Repeated(usize),
}

/// Parses a text with one header in each line. Skips blank lines.
pub fn parse(text: &str) -> Result<Vec<RequestHeader<'_>>, RequestHeadersError> {
    if text.len() > MAX_LENGTH {
        return Err(RequestHeadersError::TooLong);
    }
    let mut headers: Vec<RequestHeader<'_>> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_matches(is_space).is_empty() {
            continue;
        }
        let header = parse_line(number, line)?;
        if headers.iter().any(|earlier| earlier.name.eq_ignore_ascii_case(header.name)) {
            return Err(RequestHeadersError::Repeated(number));
        }
        if headers.len() == MOST {
            return Err(RequestHeadersError::TooMany);
        }
        headers.push(header);
    }
    Ok(headers)
}

fn parse_line(number: usize, line: &str) -> Result<RequestHeader<'_>, RequestHeadersError> {
    if line.starts_with(is_space) {
        return Err(RequestHeadersError::Folded(number));
    }
    let (name, value) = line.split_once(':').ok_or(RequestHeadersError::Form(number))?;
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(RequestHeadersError::Form(number));
    }
    if let Some(name) = reserved(name) {
        return Err(RequestHeadersError::Reserved { line: number, name });
    }
    if value.chars().any(|character| character.is_control() && character != '\t') {
        return Err(RequestHeadersError::Control(number));
    }
    Ok(RequestHeader { name, value: value.trim_matches(is_space) })
}

/// Returns the matching reserved name, if this name is reserved.
fn reserved(name: &str) -> Option<&'static str> {
    let is_of_web_socket =
        name.get(..OF_WEB_SOCKET.len()).is_some_and(|start| start.eq_ignore_ascii_case(OF_WEB_SOCKET));
    if is_of_web_socket {
        return Some("Sec-WebSocket-*");
    }
    RESERVED.iter().copied().find(|reserved| reserved.eq_ignore_ascii_case(name))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// Returns whether a byte may occur in a token (RFC 9110 §5.6.2, `tchar`).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Result<Vec<(&str, &str)>, RequestHeadersError> {
        Ok(parse(text)?.into_iter().map(|header| (header.name, header.value)).collect())
    }

    #[test]
    fn each_line_is_a_header_and_blank_lines_are_none() {
        assert_eq!(
            pairs("Authorization: Bearer a:b=\r\n \t\n\nX-Name:\tJos\u{e9} \u{1f5a5}\t\nx-empty:"),
            Ok(vec![("Authorization", "Bearer a:b="), ("X-Name", "Jos\u{e9} \u{1f5a5}"), ("x-empty", "")])
        );
        assert_eq!(pairs(""), Ok(Vec::new()));
        assert_eq!(pairs("\n \r\n"), Ok(Vec::new()));
    }

    #[test]
    fn a_line_that_is_no_header_is_named() {
        use RequestHeadersError as Error;
        for (text, error) in [
            ("a", Error::Form(1)),
            (": b", Error::Form(1)),
            ("a: b\n\nc d: e", Error::Form(3)),
            ("a : b", Error::Form(1)),
            ("\u{feff}a: b", Error::Form(1)),
            ("\u{e9}: b", Error::Form(1)),
            ("a: b\n c", Error::Folded(2)),
            ("a: b\n\tc: d", Error::Folded(2)),
            ("a: b\rc: d", Error::Control(1)),
            ("a: b\r", Error::Control(1)),
            ("a: \0", Error::Control(1)),
            ("a: \u{7f}", Error::Control(1)),
            ("a: \u{85}", Error::Control(1)),
            ("a: b\nA: c", Error::Repeated(2)),
        ] {
            assert_eq!(pairs(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn names_that_the_gateway_decides_about_are_refused() {
        for name in RESERVED {
            for written in [(*name).to_owned(), name.to_lowercase(), name.to_uppercase()] {
                let error = RequestHeadersError::Reserved { line: 1, name };
                assert_eq!(pairs(&format!("{written}: x")), Err(error));
            }
        }
        for name in
            ["Sec-WebSocket-Key", "sec-websocket-protocol", "SEC-WEBSOCKET-", "Sec-WebSocket-Anything"]
        {
            let error = RequestHeadersError::Reserved { line: 1, name: "Sec-WebSocket-*" };
            assert_eq!(pairs(&format!("{name}: x")), Err(error));
        }
        for name in ["Hosts", "X-Host", "Sec-WebSocket", "Origin", "Cookie", "Authorization"] {
            assert_eq!(pairs(&format!("{name}: x")), Ok(vec![(name, "x")]));
        }
    }

    #[test]
    fn their_number_and_their_length_are_limited() {
        let many = |count: usize| (0..count).map(|number| format!("X-{number}: v\n")).collect::<String>();
        assert_eq!(pairs(&many(MOST)).map(|headers| headers.len()), Ok(MOST));
        assert_eq!(pairs(&many(MOST + 1)), Err(RequestHeadersError::TooMany));
        let long = |length: usize| format!("X: {}", "v".repeat(length - "X: ".len()));
        assert!(pairs(&long(MAX_LENGTH)).is_ok());
        assert_eq!(pairs(&long(MAX_LENGTH + 1)), Err(RequestHeadersError::TooLong));
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_part_of_the_text() {
        let text = "Authorization: hushhush";
        assert!(!format!("{:?}", parse(text)).contains("hushhush"));
        for secret in
            ["hushhush", "hush hush: x", "X: hushhush\0", "X: y\n hushhush", "hushhush: 1\nhushhush: 2"]
        {
            let error = parse(secret).expect_err("no list of headers");
            assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
        }
    }

    proptest! {
        /// A header never reaches beyond its line, and never becomes another header.
        #[test]
        fn no_text_adds_lines_to_the_request(
            text in prop_oneof![any::<String>(), "([A-Za-z-]{1,12}:? ?\\PC{0,12}[\n\r\t\0\u{85}]{0,2}){0,6}"],
        ) {
            for header in parse(&text).into_iter().flatten() {
                prop_assert!(!header.name.is_empty() && header.name.bytes().all(is_token));
                prop_assert!(reserved(header.name).is_none());
                let breaks = |byte: u8| byte != b'\t' && (byte < b' ' || byte == 0x7f);
                prop_assert!(!header.value.bytes().any(breaks), "{:?}", header.value);
            }
        }

        #[test]
        fn a_well_formed_list_is_read_as_it_was_written(
            values in prop::collection::vec("([!-~\u{a0}-\u{2fff}]([ -~\t\u{a0}-\u{2fff}]{0,20}[!-~\u{a0}-\u{2fff}])?)?", 0..=MOST),
            ending in prop::sample::select(vec!["\n", "\r\n", "\n\n", "\n\t\n"]),
            space in "[ \t]{0,2}",
        ) {
            let names: Vec<String> = (0..values.len()).map(|number| format!("X-{number}")).collect();
            let lines = names.iter().zip(&values);
            let text: String = lines.map(|(name, value)| format!("{name}:{space}{value}{space}{ending}")).collect();
            let expected: Vec<_> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
            prop_assert_eq!(pairs(&text), Ok(expected));
        }
    }
}
