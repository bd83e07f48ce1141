//! Every door's bad requests (400): the reason that the answer carries goes into the log and the audit.

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::{Extensions, StatusCode};
use transom_model::grant::Dialect;
use transom_model::id::RequestId;

use transom_app::App;
use transom_app::audit::refusals::BadRequest;
use transom_http::refusal::{Asker, Reason};
use transom_http::source::Source;

/// Tells why an answer of this dialect is 400.
pub(super) async fn told(app: &App, dialect: Dialect, mut request: Request, next: Next) -> Response {
    let asker = Asker::default();
    request.extensions_mut().insert(asker.clone());
    let asked = Asked::of(dialect, &request);
    let response = next.run(request).await;
    if response.status() == StatusCode::BAD_REQUEST {
        asked.note(app, &asker, response.extensions()).await;
    }
    response
}

/// What is kept of a request until it is answered.
struct Asked {
    request: Option<RequestId>,
    source: Option<Source>,
    dialect: Dialect,
    target: String,
}

impl Asked {
    fn of(dialect: Dialect, request: &Request) -> Self {
        let extensions = request.extensions();
        Self {
            request: extensions.get().cloned(),
            source: extensions.get().copied(),
            dialect,
            // As the house knows the path: what the caller wrote into it may be a secret.
            target: match extensions.get::<MatchedPath>() {
                Some(path) => format!("{} {}", request.method(), path.as_str()),
                None => request.method().to_string(),
            },
        }
    }

    async fn note(self, app: &App, asker: &Asker, answer: &Extensions) {
        let (Some(request), Some(source), Some(Reason(reason))) = (self.request, self.source, answer.get())
        else {
            return;
        };
        let (call, dialect, target) = (asker.get(), self.dialect, self.target);
        let bad = BadRequest { request: &request, source: source.address, call, dialect, target, reason };
        app.audit.note_bad_request(bad).await;
    }
}
