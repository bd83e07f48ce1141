//! Zenlayer's door: `POST /api/v2/SERVICE`, a JSON body, and headers that name version and action.
//!
//! ```text
//! envelope (request id, time limit, panic) ─► authorization ─► operation ─► parameters ─► use case ─► reply or fault
//! ```
//!
//! Everything under `/api/v2` answers in Zenlayer's form, whatever happens. A call is judged in this order: the form of
//! its authorization, its time, its signature; service, version and action; parameters; the instance; its state.

mod asked;
mod authorization;
mod console;
mod envelope;
mod fault;
pub mod fuzz;
mod instances;
mod operation;
mod parameters;
mod reply;
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
use transom_model::grant::Dialect;
use transom_model::id::RequestId;

use crate::door::{Door, Unrouted};
use crate::paths::is_below;
use crate::refusals;
use asked::Asked;
use authorization::Authorization;
use fault::{Code, Fault};
use operation::{Action, Operation, ROOT};
use parameters::Parameters;
use transom_app::access::caller::Attempt;
use transom_app::{App, Call, Caller, random};
use transom_http::refusal::set_call;
use transom_http::source::Source;
use transom_http::unproved::proved;
use transom_http::{Id, body};

/// A body of so many bytes is kept before it is known whether there is such a key: most are, and to ask twice costs more.
const SHORT: u64 = 4 * 1024;
/// No answer takes longer; the vendor's SDK waits a minute.
const ANSWER: Duration = Duration::from_secs(30);
/// Authenticated calls that are worked on at once. Each is a few reads of the database; more would only wait for one
/// another, and their callers can come back.
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
    overloaded: |request| unrouted(Fault::busy(), request),
    malformed: |request, sentence| unrouted(Fault::new(Code::ParameterValue, sentence.to_owned()), request),
    nowhere: |request| unrouted(Fault::no_operation(), request),
};

/// The answer to a request that no route handles.
fn unrouted(fault: Fault, request: &Unrouted<'_>) -> Response {
    envelope::with_id(fault.response(&request.id), &request.id)
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

/// Tells why an answer is 400: this door has layers of its own.
async fn told(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    refusals::told(&app, Dialect::Zenlayer, request, next).await
}

async fn call(State(calls): State<Arc<Calls>>, id: Id, source: Source, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let fault = match calls.caller(&id, source, &parts, body).await {
        Ok((caller, body)) => {
            let call = Call { caller, request: id.0.clone(), origin: source.origin(&parts.headers) };
            set_call(&parts.extensions, &call);
            match calls.answer(call, &parts, &body).await {
                Ok(response) => return response,
                Err(fault) => {
                    fault.tell(&id.0);
                    fault
                }
            }
        }
        Err(fault) => {
            if calls.app.access.is_news_of(source.address) {
                fault.tell(&id.0);
            }
            fault
        }
    };
    fault.response(&id.0)
}

/// Whether a call says that its body is short.
fn is_short(parts: &Parts) -> bool {
    let length = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length <= SHORT)
}

impl Calls {
    /// Who calls, and the body.
    async fn caller(
        &self,
        id: &Id,
        source: Source,
        parts: &Parts,
        body: Body,
    ) -> Result<(Caller, Bytes), Fault> {
        let authorization = Authorization::read(parts)?;
        authorization.check_time(jiff::Timestamp::now().as_second())?;
        let attempt = Attempt { source: source.address, request: &id.0 };
        // What headers prove is judged before the body is read; a signature covers the body.
        match &authorization {
            Authorization::Bearer(token) => {
                let caller = authorization::bearer(&self.app, token, attempt).await?;
                proved(&parts.extensions);
                Ok((caller, body::read(body, body::SIGNED).await?))
            }
            Authorization::Signed(signed) => {
                if !is_short(parts) {
                    authorization::check_key(&self.app, signed, attempt).await?;
                }
                let body = body::read(body, body::SIGNED).await?;
                let method = parts.method.as_str();
                Ok((authorization::signer(&self.app, signed, attempt, method, &body).await?, body))
            }
        }
    }

    async fn answer(&self, call: Call, parts: &Parts, body: &[u8]) -> Result<Response, Fault> {
        let operation = Operation::of(parts).ok_or_else(Fault::no_operation)?;
        tracing::debug!(request = %call.request, ?operation, "a call to /api/v2");
        call.caller.need(operation.action.role())?;
        // Every object here is a project's; the operator's token belongs to none.
        let project = call.caller.project().ok_or_else(Fault::no_operation)?;
        let _place = self.budget.try_acquire().map_err(|_| Fault::busy())?;
        let project = self.app.access.project(&call, &project.to_string()).await?;
        let asked = Asked { parameters: Parameters::parse(body)?, call, project, operation };
        match operation.action {
            Action::DescribeVncUrl => console::describe_vnc_url(&self.app, &asked).await,
            Action::DescribeInstances => instances::describe_instances(&self.app, &asked).await,
            Action::DescribeInstancesStatus => instances::describe_instances_status(&self.app, &asked).await,
        }
    }
}
