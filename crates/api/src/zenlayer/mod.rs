//! Zenlayer's API: `POST /api/v2/SERVICE`, a JSON body, and headers that name version and action.
//!
//! ```text
//! envelope (request id, time limit, panic)
//!    └─► authorization ─► operation ─► parameters ─► use case ─► reply or error
//! ```
//!
//! Every answer below `/api/v2` has Zenlayer's form. A call is judged in this order: the form of
//! its authorization, its time, its signature; service, version and action; parameters; the
//! instance; its state.

mod authorization;
mod console;
mod envelope;
mod error;
pub mod fuzz;
mod instances;
mod operation;
mod parameters;
mod reply;
mod request;
mod signature;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::any;
use axum::{Router, middleware};
use bytes::Bytes;
use http::request::Parts;
use tokio::sync::Semaphore;
use transom_model::dialect::Dialect;
use transom_model::id::RequestId;

use crate::door::is_below;
use crate::door::{Door, Unrouted};
use crate::refusals;
use authorization::Authorization;
use error::{ApiError, Code};
use operation::{Action, Operation, ROOT};
use parameters::Parameters;
use request::ActionRequest;
use transom_app::access::caller::Attempt;
use transom_app::{App, Call, Caller, random};
use transom_http::limits::SIGNED_BODY;
use transom_http::refusal::set_call;
use transom_http::source::Source;
use transom_http::unproved::proved;
use transom_http::{Id, body};

/// A body up to this size is read before its key is looked up. Most bodies are short, and a
/// separate lookup costs more.
const SHORT: u64 = 4 * 1024;
/// The time limit of every answer. Zenlayer's SDK waits a minute.
const ANSWER: Duration = Duration::from_secs(30);
/// The maximum number of concurrent authenticated calls. Each takes a few reads of the database.
/// More calls would only wait for each other; their callers can retry.
const AT_ONCE: usize = 256;

/// The front door of Zenlayer.
pub(crate) const DOOR: Door = Door {
    dialect: Dialect::Zenlayer,
    routes: |app| routes(Calls { app, budget: Semaphore::new(AT_ONCE) }, ANSWER),
    has_own_layers: true,
    ignores_leading_slashes: true,
    owns: |path| is_below(path, ROOT),
    is_near: |path| path.starts_with(ROOT),
    request_id: || RequestId::in_capitals(random::uuid()),
    overloaded: |request| unrouted(ApiError::busy(), request),
    malformed: |request, sentence| {
        unrouted(ApiError::new(Code::ParameterValue, sentence.to_owned()), request)
    },
    nowhere: |request| unrouted(ApiError::no_operation(), request),
};

/// Answers a request that no route handles.
fn unrouted(error: ApiError, request: &Unrouted<'_>) -> Response {
    envelope::with_id(error.response(&request.id), &request.id)
}

/// The handler of calls, with its limit on concurrent ones.
struct Calls {
    app: Arc<App>,
    budget: Semaphore,
}

fn routes(calls: Calls, limit: Duration) -> Router {
    Router::new()
        .route(ROOT, any(call))
        .route(&format!("{ROOT}/"), any(call))
        .route(&format!("{ROOT}/{{*rest}}"), any(call))
        .layer(middleware::from_fn_with_state(Arc::clone(&calls.app), told))
        .with_state(Arc::new(calls))
        .layer(middleware::from_fn(move |request, next| envelope::wrap(limit, request, next)))
}

/// Reports the reason of a 400, since this door has layers of its own.
async fn told(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    refusals::told(&app, Dialect::Zenlayer, request, next).await
}

async fn call(State(calls): State<Arc<Calls>>, id: Id, source: Source, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let error = match calls.caller(&id, source, &parts, body).await {
        Ok((caller, body)) => {
            let call = Call {
                caller,
                dialect: Dialect::Zenlayer,
                request: id.0.clone(),
                origin: source.origin(&parts.headers),
            };
            set_call(&parts.extensions, &call);
            match calls.answer(call, &parts, &body).await {
                Ok(response) => return response,
                Err(error) => {
                    error.tell(&id.0);
                    error
                }
            }
        }
        Err(error) => {
            if calls.app.access.is_news_of(source.address) {
                error.tell(&id.0);
            }
            error
        }
    };
    error.response(&id.0)
}

/// Tells whether a call announces a short body.
fn is_short(parts: &Parts) -> bool {
    let length = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length <= SHORT)
}

impl Calls {
    /// Authenticates the caller, and reads the body.
    async fn caller(
        &self,
        id: &Id,
        source: Source,
        parts: &Parts,
        body: Body,
    ) -> Result<(Caller, Bytes), ApiError> {
        let authorization = Authorization::read(parts)?;
        authorization.check_time(jiff::Timestamp::now().as_second())?;
        let attempt = Attempt { source: source.address, request: &id.0 };
        // A proof in headers is judged before the body is read. A signature covers the body.
        match &authorization {
            Authorization::Bearer(token) => {
                let caller = authorization::bearer(&self.app, token, attempt).await?;
                proved(&parts.extensions);
                Ok((caller, body::read(body, SIGNED_BODY).await?))
            }
            Authorization::Signed(signed) => {
                if !is_short(parts) {
                    authorization::check_key(&self.app, signed, attempt).await?;
                }
                let body = body::read(body, SIGNED_BODY).await?;
                let method = parts.method.as_str();
                Ok((authorization::signer(&self.app, signed, attempt, method, &body).await?, body))
            }
        }
    }

    async fn answer(&self, call: Call, parts: &Parts, body: &[u8]) -> Result<Response, ApiError> {
        let operation = Operation::of(parts).ok_or_else(ApiError::no_operation)?;
        tracing::debug!(request = %call.request, ?operation, "a call to /api/v2");
        call.caller.need(operation.action.role())?;
        // Every object here belongs to a project, and the operator's token belongs to none.
        let project = call.caller.project().ok_or_else(ApiError::no_operation)?;
        let _slot = self.budget.try_acquire().map_err(|_| ApiError::busy())?;
        let project = self.app.access.project(&call, &project.to_string()).await?;
        let request = ActionRequest { parameters: Parameters::parse(body)?, call, project, operation };
        match operation.action {
            Action::DescribeVncUrl => console::describe_vnc_url(&self.app, &request).await,
            Action::DescribeInstances => instances::describe_instances(&self.app, &request).await,
            Action::DescribeInstancesStatus => {
                instances::describe_instances_status(&self.app, &request).await
            }
        }
    }
}
