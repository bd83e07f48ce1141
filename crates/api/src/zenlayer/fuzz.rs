//! The body of the fuzz target, as a plain function: any headers from a caller must be read or
//! refused.

use http::Request;
use http::request::Parts;
use transom_model::secret::Secret;

use super::authorization::Authorization;

/// Reads a request's head from the lines of `data`. The first line is the `Authorization`; the
/// others are `name: value`.
pub fn authorization(data: &[u8]) {
    let Some(parts) = head(data) else { return };
    let read = || match Authorization::read(&parts) {
        Ok(Authorization::Signed(signed)) => Some(signed),
        _ => None,
    };
    let (Some(first), Some(second)) = (read(), read()) else { return };
    assert!(first.at >= 0 && !first.key.is_empty(), "a signature without a time or a key was read");
    let texts = first.texts("POST", data);
    assert_eq!(texts, second.texts("POST", data), "what is signed depends on nothing but the request");
    assert_ne!(texts, first.texts("POST", b"another body"), "the body is not signed");
    assert!(!first.is_by(&Secret::new("a secret that nobody has"), &texts), "anybody signs");
}

fn head(data: &[u8]) -> Option<Parts> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut request = Request::post("/api/v2/zec").header("authorization", lines.next()?);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        request = request.header(&line[..colon], line[colon + 1..].trim_ascii());
    }
    Some(request.body(()).ok()?.into_parts().0)
}
