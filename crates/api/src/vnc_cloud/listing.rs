//! Pages of the list of addresses.

use axum::response::Response;
use http::header::LINK;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use transom_model::cloud::CloudAddress;

use super::answer::{Refusal, empty, json};
use super::credentials::Authenticated;
use transom_app::App;

const DEFAULT: u32 = 20;
const MOST: u32 = 99;
const LIMIT: &str = "limit: must be a whole number from 1 to 99";
const CURSOR: &str = "cursor: does not come from a page of this key with this limit";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Addresses {
    cloud_addresses: Vec<CloudAddress>,
}

/// Answers with a page of addresses. Past the end it is 204. If more addresses follow, a `Link`
/// (RFC 8288) leads to them.
pub(super) async fn page(app: &App, auth: &Authenticated, query: &str) -> Result<Response, Refusal> {
    let limit = match single(query, "limit")? {
        None => DEFAULT,
        Some(text) => limit(&text).ok_or_else(|| Refusal::bad_request(LIMIT))?,
    };
    let after = match single(query, "cursor")? {
        None => 0,
        Some(cursor) => app
            .devices
            .read_address_cursor(&auth.key, limit, &cursor)
            .ok_or_else(|| Refusal::bad_request(CURSOR))?,
    };
    // One row more than a page tells whether another page follows.
    let mut found = app.devices.key_addresses(&auth.key, after, limit + 1).await?;
    let full = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > full;
    found.truncate(full);
    let Some((last, _)) = found.last() else { return Ok(empty(StatusCode::NO_CONTENT)) };
    let last = *last;
    let cloud_addresses = found.into_iter().map(|(_, address)| address).collect();
    let mut response = json(StatusCode::OK, &Addresses { cloud_addresses });
    if more {
        let base = app.public_url().as_str().trim_end_matches('/');
        let cursor = app.devices.address_cursor(&auth.key, limit, last);
        let link = format!("<{base}/cloud/1.1/static-address?limit={limit}&cursor={cursor}>; rel=\"next\"");
        let link = HeaderValue::from_str(&link).map_err(|_| Refusal::internal())?;
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

/// Returns the value of a query parameter. A repeated one is refused. Other parameters are ignored.
fn single(query: &str, name: &str) -> Result<Option<String>, Refusal> {
    let mut values = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    let value = values.next().map(|(_, value)| value.into_owned());
    if values.next().is_some() {
        Err(Refusal::bad_request(format!("{name}: is given twice")))
    } else {
        Ok(value)
    }
}

/// Parses a number from 1 to 99, in digits.
fn limit(text: &str) -> Option<u32> {
    let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|limit| digits && (1..=MOST).contains(limit))
}
