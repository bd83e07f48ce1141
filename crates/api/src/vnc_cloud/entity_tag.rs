//! `If-Match` (RFC 9110 §13.1.1).

use http::HeaderMap;
use http::header::IF_MATCH;

use transom_app::devices::cloud_addresses::Precondition;

/// The suffixes that compressing proxies add to a tag.
const ENCODED: [&str; 4] = ["-gzip", "-br", "-zstd", "-deflate"];

/// Returns the entity versions that a request applies to. A bare number counts as a quoted one,
/// since VNC Cloud's documentation prints it so.
///
/// A compressing proxy turns `"1"` into `W/"1"` or `"1-gzip"`, and its client sends that back. Both
/// count as `"1"`, which deviates from RFC 9110 §13.1.1: a version number is the same in every
/// encoding.
pub(super) fn if_match(headers: &HeaderMap) -> Precondition {
    let values: Vec<_> =
        headers.get_all(IF_MATCH).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    match values.as_slice() {
        [] => Precondition::Any,
        [only] if only.trim() == "*" => Precondition::Any,
        // Transom's own tags have no comma, so the pieces of any other tag match no version.
        lists => {
            Precondition::OneOf(lists.iter().flat_map(|list| list.split(',')).filter_map(version).collect())
        }
    }
}

fn version(tag: &str) -> Option<u64> {
    let tag = tag.trim();
    let quoted =
        tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let opaque = match quoted {
        Some(opaque) => ENCODED.iter().find_map(|encoded| opaque.strip_suffix(encoded)).unwrap_or(opaque),
        None => tag,
    };
    // Tags are compared as text: only the number as Transom writes it is that version.
    opaque.parse().ok().filter(|version: &u64| version.to_string() == opaque)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn u1_u15_if_match_names_the_versions_that_are_meant() {
        let read = |values: &[&'static str]| {
            if_match(&values.iter().map(|value| (IF_MATCH, HeaderValue::from_static(value))).collect())
        };
        assert_eq!(read(&[]), Precondition::Any);
        assert_eq!(read(&["*"]), Precondition::Any);
        assert_eq!(read(&["\"7\""]), Precondition::OneOf(vec![7]));
        assert_eq!(read(&["7"]), Precondition::OneOf(vec![7]));
        assert_eq!(read(&["\"1\", \"7\"", "\"9\""]), Precondition::OneOf(vec![1, 7, 9]));
        for rewritten in ["W/\"7\"", "\"7-gzip\"", "W/\"7-br\"", "\"7-zstd\"", "\"1\", W/\"7\""] {
            let Precondition::OneOf(versions) = read(&[rewritten]) else { panic!("{rewritten}") };
            assert_eq!(versions.last(), Some(&7), "{rewritten}");
        }
        for never in [
            "W/7",
            "7-gzip",
            "w/\"7\"",
            "\"7-gzip-gzip\"",
            "\"-gzip\"",
            "\"7-x\"",
            "",
            "\"\"",
            "\"07\"",
            "\"+7\"",
            "\"7",
            "\"x\"",
            "*, \"x\"",
            "7.0",
            "\" 7\"",
        ] {
            let never: &'static str = never;
            assert_eq!(read(&[never]), Precondition::OneOf(Vec::new()), "{never}");
        }
    }
}
