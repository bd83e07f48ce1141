//! Answers of the cloud: JSON, within a bound.

use std::fmt;

use http::{HeaderMap, StatusCode};
use reqwest::RequestBuilder;
use serde_json::Value;
use url::Url;

/// A token that this cloud was asked about, or the cloud itself, is no good.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It knows no such token.
    #[error("the cloud knows no such token")]
    Unknown,
    /// It does not answer, or not as it should. The text is for the log, and holds no secret.
    #[error("{0}")]
    Unavailable(String),
}

impl Fault {
    pub(super) fn unavailable(question: &Question<'_>, cause: impl std::fmt::Display) -> Self {
        Self::Unavailable(format!("{question}: {cause}"))
    }
}

/// What the cloud is asked, and what sets where and as whom: for the log.
pub(super) struct Question<'a> {
    pub(super) what: &'static str,
    /// Holds no token, as the URL that is asked in the end may.
    pub(super) at: &'a Url,
    /// The key of the configuration that says where.
    pub(super) key: &'static str,
    /// What to look at where the cloud knows us and denies the answer.
    pub(super) denied: &'static str,
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.at)
    }
}

/// A token with a long catalogue is some ten kilobytes.
const MAX_BODY: usize = 1024 * 1024;

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// `null` where it was no JSON.
    pub(super) body: Value,
}

pub(super) async fn send(question: &Question<'_>, request: RequestBuilder) -> Result<Answer, Fault> {
    // Without its URL: a token may be part of it.
    let failed = |error: reqwest::Error| Fault::unavailable(question, causes(&error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            return Err(Fault::unavailable(question, "the answer is too long"));
        }
    }
    Ok(Answer { status, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

impl Answer {
    /// What an answer means that is none of those that were expected.
    pub(super) fn unexpected(&self, question: &Question<'_>) -> Fault {
        let Question { key, denied, .. } = question;
        let status = self.status;
        match status {
            StatusCode::NOT_FOUND => Fault::unavailable(
                question,
                format_args!("it answers {status}: is [openstack] {key} right, with its version?"),
            ),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Fault::unavailable(question, format_args!("it answers {status}: {denied}"))
            }
            _ => Fault::unavailable(question, format_args!("it answers {status}")),
        }
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
