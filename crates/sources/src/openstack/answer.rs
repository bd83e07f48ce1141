//! Answers of the cloud: JSON, up to a limit.

use std::fmt;

use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

/// The reason why a lookup in the cloud failed.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The cloud does not know the token.
    #[error("the cloud does not know the token")]
    Unknown,
    /// The cloud does not answer, or its answer is unusable. The text is for the log and holds no
    /// secret.
    #[error("{0}")]
    Unavailable(String),
}

impl LookupError {
    pub(super) fn unavailable(question: &Question<'_>, cause: impl std::fmt::Display) -> Self {
        Self::Unavailable(format!("{question}: {cause}"))
    }
}

/// A question to the cloud and the configuration behind it, for log messages.
pub(super) struct Question<'a> {
    pub(super) what: &'static str,
    /// The service's URL. The URL of the request itself may hold a token.
    pub(super) at: &'a Url,
    /// The configuration key of the URL.
    pub(super) key: &'static str,
    /// The hint for an answer that denies access.
    pub(super) denied: &'static str,
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.at)
    }
}

/// The longest body of an answer. A token with a long catalogue takes some ten kilobytes.
const MAX_BODY: usize = 1024 * 1024;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The body; `null` if it is not JSON.
    pub(super) body: Value,
}

pub(super) async fn send(question: &Question<'_>, request: RequestBuilder) -> Result<Answer, LookupError> {
    // The error is logged without its URL, which may contain a token.
    let failed = |error: reqwest::Error| LookupError::unavailable(question, causes(&error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(LookupError::unavailable(question, "the answer is too long"));
        }
    }
    Ok(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

impl Answer {
    /// Returns the error for an answer with an unexpected status.
    pub(super) fn unexpected(&self, question: &Question<'_>) -> LookupError {
        let Question { key, denied, .. } = question;
        let status = self.status;
        match status {
            StatusCode::NOT_FOUND => LookupError::unavailable(
                question,
                format_args!("it answered {status}: check [openstack] {key}, including its version"),
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                LookupError::unavailable(question, format_args!("it answered {status}: {denied}"))
            }
            _ => LookupError::unavailable(question, format_args!("it answered {status}")),
        }
    }
}

/// Returns the text of an error and its causes. The outermost error alone says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
