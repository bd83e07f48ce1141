//! Bad requests (400) of all doors: records the reason that the answer carries in the log and the
//! audit.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{Extensions, StatusCode};
use transom_model::dialect::Dialect;
use transom_model::id::RequestId;

use transom_app::App;
use transom_app::audit::refusals::BadRequest;
use transom_http::refusal::{CallSlot, Reason};
use transom_http::source::Source;

/// Passes a request on, and records the reason if the answer is 400.
pub(super) async fn told(app: &App, dialect: Dialect, mut request: Request, next: Next) -> Response {
    let slot = CallSlot::default();
    request.extensions_mut().insert(slot.clone());
    let noted = Noted::of(dialect, &request);
    let response = next.run(request).await;
    if response.status() == StatusCode::BAD_REQUEST {
        noted.note(app, &slot, response.extensions()).await;
    }
    response
}

/// The details of a request that are needed once it is answered.
struct Noted {
    request: Option<RequestId>,
    source: Option<Source>,
    dialect: Dialect,
    target: String,
}

impl Noted {
    fn of(dialect: Dialect, request: &Request) -> Self {
        let extensions = request.extensions();
        Self {
            request: extensions.get().cloned(),
            source: extensions.get().copied(),
            dialect,
            // The target is the route's pattern, since the path itself may hold a secret.
            target: match extensions.get::<MatchedPath>() {
                Some(path) => format!("{} {}", request.method(), path.as_str()),
                None => request.method().to_string(),
            },
        }
    }

    async fn note(self, app: &App, slot: &CallSlot, answer: &Extensions) {
        let (Some(request), Some(source), Some(Reason(reason))) = (self.request, self.source, answer.get())
        else {
            return;
        };
        let (call, dialect, target) = (slot.get(), self.dialect, self.target);
        let bad = BadRequest { request: &request, source: source.address, call, dialect, target, reason };
        app.audit.note_bad_request(bad).await;
    }
}
