//! Answers of the cloud: JSON, within a bound.

use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
use serde_json::Value;

use super::Fault;

/// A token with a long catalogue is some ten kilobytes.
const MAX_BODY: usize = 1024 * 1024;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `null` where it was no JSON.
    pub(super) body: Value,
}

pub(super) async fn send(what: &str, request: RequestBuilder) -> Result<Answer, Fault> {
    // Without its URL: a token may be part of it.
    let failed = |error: reqwest::Error| Fault::unavailable(what, causes(&error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(Fault::unavailable(what, "the answer is too long"));
        }
    }
    Ok(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

impl Answer {
    /// What an answer means that is none of those that were expected.
    pub(super) fn unexpected(&self, what: &str) -> Fault {
        Fault::unavailable(what, format_args!("it answers {}", self.status))
    }
}

/// An error with what lies beneath it: the outermost one alone says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
