//! Text from a peer, made safe to show and to log.

/// Returns at most `limit` characters of `bytes`, with runs of control characters and spaces
/// replaced by one space, and without spaces at the ends.
pub(crate) fn printable(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()) {
        for c in (count > 0).then_some(' ').into_iter().chain(word.chars()) {
            if count == limit {
                return shown;
            }
            shown.push(c);
            count += 1;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn control_characters_cannot_reach_a_log() {
        assert_eq!(
            printable(b"HTTP/1.1 400 Bad\r\n\x1b[31m\0evil \xff", 40),
            "HTTP/1.1 400 Bad [31m evil \u{fffd}"
        );
        assert_eq!(printable(b"  \n", 40), "");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(printable(&[b'a'; 100], 40).len(), 40);
    }
}
