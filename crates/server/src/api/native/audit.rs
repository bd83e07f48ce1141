//! `/api/v1/audit`

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use transom_model::api::{AuditBody, ErrorBody, List};
use transom_model::id::SHORT_REQUEST_ID;

use utoipa::IntoParams;

use super::access::Caller;
use super::input::Query;
use crate::app::{App, AuditQuery, AuditStart, Error, Page};
use crate::http::error::Failure;

/// Which audit records. Without `after` the newest come, the oldest of them first.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only of this project, by name or id.
    #[param(required = false)]
    project: Option<String>,
    /// Only of this grant.
    #[param(required = false)]
    grant: Option<String>,
    /// Only of this session.
    #[param(required = false)]
    session: Option<String>,
    /// Only of this call: its id, or the last eight characters of it, as the page shows them.
    #[param(required = false)]
    request: Option<String>,
    /// Only what came from this address.
    #[param(required = false)]
    source: Option<String>,
    /// Only those after this `seq`; 0 begins with the oldest.
    #[param(required = false)]
    after: Option<i64>,
    /// At most this many: 100 where it is missing, never more than 1000.
    #[param(required = false)]
    limit: Option<u32>,
}

/// Lists audit records (admin).
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(Filter), responses(
    (status = 200, body = List<AuditBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<List<AuditBody>>, Failure> {
    let limit = filter.limit.unwrap_or(100).clamp(1, Page::MAX);
    let found = async {
        let project = match &filter.project {
            Some(project) => Some(app.project(&caller.0, project).await?.id),
            None => None,
        };
        let (request, request_end) = match filter.request.as_deref() {
            Some(short) if is_short(short) => (None, Some(short.to_owned())),
            whole => (parsed(whole, "request")?, None),
        };
        let query = AuditQuery {
            project,
            grant: parsed(filter.grant.as_deref(), "grant")?,
            session: parsed(filter.session.as_deref(), "session")?,
            request,
            request_end,
            source: parsed(filter.source.as_deref(), "source")?.map(|source: IpAddr| source.to_canonical()),
            start: match filter.after {
                None => AuditStart::Newest,
                Some(..=0) => AuditStart::Oldest,
                Some(seq) => AuditStart::After(seq),
            },
        };
        app.audit(&caller.0, query, limit).await
    };
    let records = found.await.map_err(|error| caller.failed(error))?;
    // Following goes on from the last record, also where the page was not full.
    let next = records.last().map(|record| record.seq.to_string());
    Ok(Json(List { items: records.into_iter().map(AuditBody::from).collect(), next }))
}

/// Both forms of a request id end in hexadecimal digits, Zenlayer's in capitals.
fn is_short(text: &str) -> bool {
    text.len() == SHORT_REQUEST_ID && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn parsed<T: std::str::FromStr<Err: ToString>>(
    text: Option<&str>,
    field: &'static str,
) -> Result<Option<T>, Error> {
    text.map(str::parse).transpose().map_err(|error: T::Err| Error::invalid(field, error.to_string()))
}
