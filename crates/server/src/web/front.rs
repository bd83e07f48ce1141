//! The root: a page for people, a document for programs, and a console's WebSocket for old noVNC
//! pages.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue};

use super::state::Web;
use transom_http::Id;
use transom_http::source::Source;
use transom_websocket::upgrade::is_upgrade;

/// The page for people who open the root instead of a console.
const PAGE: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Transom</title>\n\
    <meta name=\"robots\" content=\"noindex\">\n</head>\n<body>\n<h1>Transom</h1>\n\
    <p>Each console has its own link.</p>\n\
    <p>Programs use the API at <code>/api/v1</code>: read <a href=\"/openapi.json\">its description</a>.</p>\n\
    </body>\n</html>\n";

/// Answers a request for the root.
pub(super) async fn root(State(web): State<Web>, id: Id, source: Source, request: Request) -> Response {
    if is_upgrade(request.headers()) {
        return web.gateway.websocket(source, id.0, request).await;
    }
    let mut response = if prefers_a_page(request.headers()) {
        ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
    } else {
        (web.document)(&web.app)
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// Returns `true` if a client prefers HTML to JSON. Browsers do. A client without a preference is a
/// program.
fn prefers_a_page(headers: &HeaderMap) -> bool {
    let accept = || headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let weight = |kind: &str, subtype: &str| {
        // The most specific range that fits decides (RFC 9110 §12.5.1).
        let ranges = accept().flat_map(|value| value.split(',')).filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let (of, sub) = parts.next()?.split_once('/')?;
            let specific = match (of, sub) {
                ("*", "*") => 0,
                (of, "*") if of.eq_ignore_ascii_case(kind) => 1,
                (of, sub) if of.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => 2,
                _ => return None,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some((specific, quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0))))
        });
        ranges.max_by_key(|(specific, _)| *specific).map_or(0.0, |(_, quality): (u8, f32)| quality)
    };
    weight("text", "html") > weight("application", "json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_like_a_page_better_and_programs_do_not() {
        for (accept, page) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json"), false),
            (Some("application/json, text/html;q=0.9"), false),
            (Some("text/html, application/json"), false),
            (Some("text/plain"), false),
            (Some("text/html;q=0, */*"), false),
            (Some("text/html;q=x, */*;q=0.1"), false),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), true),
            (Some("TEXT/HTML"), true),
            (Some("text/*, application/json;q=0.5"), true),
            (Some("*/*;q=0.1, text/html ; q=0.2"), true),
        ] {
            let accept = accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept)));
            assert_eq!(prefers_a_page(&accept.into_iter().collect()), page);
        }
    }
}
