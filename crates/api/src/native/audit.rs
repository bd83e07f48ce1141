//! `/api/v1/audit`

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use transom_model::api::{AuditBody, ErrorBody, List};
use transom_model::id::RequestWord;
use transom_model::schema;
use utoipa::IntoParams;

use super::access::Caller;
use super::filters::ProjectFilter;
use super::input::{Number, Query};
use super::paging::{Limit, rows};
use transom_app::{App, AuditQuery, AuditStart, Error};
use transom_http::error::Failure;

/// A query of the audit. Without `after`, it selects the newest records, in ascending order.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditFilter {
    /// Limits the answer to this link.
    #[param(required = false, value_type = schema::Id)]
    link: Option<String>,
    /// Limits the answer to this session.
    #[param(required = false, value_type = schema::Id)]
    session: Option<String>,
    /// Limits the answer to this call: its id, or the id's last eight characters, as on the page.
    #[param(required = false, value_type = schema::RequestWord)]
    request: Option<String>,
    /// Limits the answer to this source address.
    #[param(required = false, value_type = schema::SourceAddress)]
    source: Option<String>,
    /// Limits the answer to records after this `seq`; 0 begins with the oldest.
    #[param(required = false, value_type = i64, minimum = 0)]
    after: Option<Number<0, { i64::MAX }>>,
    /// The maximum number of records; 100 when absent.
    #[param(required = false, value_type = u32, minimum = 1, maximum = 1000)]
    limit: Option<Limit>,
}

/// Lists audit records (admin).
#[utoipa::path(get, operation_id = "list_audit", path = "/api/v1/audit", tag = "audit", params(ProjectFilter, AuditFilter), responses(
    (status = 200, body = List<AuditBody>), (status = "default", body = ErrorBody)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(project): Query<ProjectFilter>,
    Query(filter): Query<AuditFilter>,
) -> Result<Json<List<AuditBody>>, Failure> {
    let found = async {
        let project = project.id(&app, &caller).await?;
        let (request, request_end) = match parsed(filter.request.as_deref(), "request")? {
            Some(RequestWord::Whole(id)) => (Some(id), None),
            Some(RequestWord::End(end)) => (None, Some(end)),
            None => (None, None),
        };
        let query = AuditQuery {
            project,
            grant: parsed(filter.link.as_deref(), "link")?,
            session: parsed(filter.session.as_deref(), "session")?,
            request,
            request_end,
            source: parsed(filter.source.as_deref(), "source")?.map(|source: IpAddr| source.to_canonical()),
            start: match filter.after {
                None => AuditStart::Newest,
                Some(Number(0)) => AuditStart::Oldest,
                Some(Number(seq)) => AuditStart::After(seq),
            },
        };
        app.audit.audit(&caller.0, query, rows(filter.limit)).await
    };
    let records = found.await.map_err(|error| caller.failed(error))?;
    // A follower continues after the last record, also if the page was not full.
    let next = records.last().map(|record| record.seq.to_string());
    Ok(Json(List { items: records.into_iter().map(AuditBody::from).collect(), next }))
}

fn parsed<T: std::str::FromStr<Err: ToString>>(
    text: Option<&str>,
    field: &'static str,
) -> Result<Option<T>, Error> {
    text.map(str::parse).transpose().map_err(|error: T::Err| Error::invalid(field, error.to_string()))
}
