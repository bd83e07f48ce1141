//! The content type of a request's body, and the content types that its sender accepts.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use super::answer::Code;

/// Checks that the body is JSON. A missing header counts as another type. Parameters are ignored.
pub(super) fn demand_json_body(headers: &HeaderMap) -> Result<(), Code> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = |value: &http::HeaderValue| {
        let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/json")
    };
    match (types.next(), types.next()) {
        (Some(only), None) if is_json(only) => Ok(()),
        _ => Err(Code::ContentType),
    }
}

/// Checks that the sender accepts JSON (RFC 9110 §12.5.1). The most specific range decides; without
/// ranges, every type is acceptable. Parameters of a range are ignored.
pub(super) fn demand_json_accepted(headers: &HeaderMap) -> Result<(), Code> {
    let values: Vec<_> = headers.get_all(ACCEPT).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let ranges =
        values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|range| !range.is_empty());
    let mut asked = false;
    let mut best: Option<(u8, bool)> = None;
    for range in ranges {
        asked = true;
        let mut pieces = range.split(';').map(str::trim);
        let specificity = match pieces.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "application/json" => 2,
            "application/*" => 1,
            "*/*" => 0,
            _ => continue,
        };
        let wanted = pieces.find_map(weight).unwrap_or(true);
        best = match best {
            Some((other, _)) if other > specificity => best,
            Some((other, was)) if other == specificity => Some((specificity, was || wanted)),
            _ => Some((specificity, wanted)),
        };
    }
    match best {
        None if !asked => Ok(()),
        Some((_, true)) => Ok(()),
        _ => Err(Code::Accept),
    }
}

/// Parses a weight: true if it is above zero. Returns `None` if the parameter is not a weight.
fn weight(parameter: &str) -> Option<bool> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    Some(value.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0 && weight <= 1.0))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn c22_a_json_body_is_application_json_with_or_without_parameters() {
        for good in
            ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;"]
        {
            assert_eq!(demand_json_body(&headers(CONTENT_TYPE, &[good])), Ok(()), "{good}");
        }
        for bad in [
            &[][..],
            &[""],
            &["text/plain"],
            &["application/jsonp"],
            &["application/x-www-form-urlencoded"],
            &["application/json", "text/plain"],
            &["application/vnd.api+json"],
        ] {
            assert_eq!(demand_json_body(&headers(CONTENT_TYPE, bad)), Err(Code::ContentType), "{bad:?}");
        }
    }

    #[test]
    fn c23_json_is_acceptable_where_the_most_specific_range_says_so() {
        for good in [
            &[][..],
            &[""],
            &["*/*"],
            &["application/*"],
            &["application/json;q=0.5"],
            &["text/html, */*;q=0.1"],
            &["text/html", "application/json"],
            &["APPLICATION/JSON"],
            &["application/json; charset=utf-8"],
            &["*/*;q=0, application/json"],
            &["application/*;q=0,application/json;q=1.000"],
        ] {
            assert_eq!(demand_json_accepted(&headers(ACCEPT, good)), Ok(()), "{good:?}");
        }
        for bad in [
            &["text/html"][..],
            &["application/json;q=0"],
            &["application/json; Q=0.000"],
            &["application/xml"],
            &["*/*, application/json;q=0"],
            &["*/*;q=0"],
            &["*/*, application/*;q=0"],
            &["*/json"],
            &["application/json;q=x"],
            &["application/json;q=2"],
        ] {
            assert_eq!(demand_json_accepted(&headers(ACCEPT, bad)), Err(Code::Accept), "{bad:?}");
        }
    }
}
