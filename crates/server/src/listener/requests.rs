//! The requests of one HTTP connection: each goes to the router together with its source, and
//! counts as a sign of life.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures_util::TryFutureExt as _;
use http::{HeaderValue, Request, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::Service;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use tower::ServiceExt as _;
use transom_net::budget::{Holder, Notice, Permit};
use transom_websocket::upgrade::is_upgrade;

use super::front::{Front, holder, sender};
use super::head;
use super::unread::Unread;
use transom_app::App;
use transom_http::error::without_body;
use transom_http::host;
use transom_http::limits::HEAD;
use transom_http::seat::Seat;
use transom_http::source::{Connection, Source};
use transom_http::stream::HEAD_TOO_LONG;

/// The time after which a connection without requests is closed. Browsers ask for a page's parts
/// within a minute or not at all; a later request makes a new connection.
const IDLE: Duration = Duration::from_secs(60);

/// The `Strict-Transport-Security` header: a browser that came over TLS once comes only over TLS
/// for a year. It covers this name alone, because this server does not speak for the domain's other
/// names.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The length of common heads: a browser's headers without cookies, and a token.
const COMMON_HEAD: usize = 4 * 1024;

/// The service that passes a connection's requests to the router. A connection counts as half-open
/// until a request is admitted by the budget of HTTP connections.
#[derive(Clone)]
pub(super) struct Requests {
    front: Arc<Front>,
    connection: Connection,
    progress: Arc<Progress>,
}

/// The state of a connection.
pub(super) struct Progress {
    admission: Mutex<Admission>,
    notice: Notice,
    last_request: Mutex<Instant>,
    answer: Mutex<Option<Response>>,
    ended: Arc<AtomicBool>,
}

/// The connection's permit from a budget. It is held until the connection ends or changes its
/// protocol.
pub(super) enum Admission {
    HalfOpen { _permit: Permit },
    Http { permit: Permit },
}

impl Admission {
    /// The admission of a connection that has not sent a request yet.
    pub(super) fn half_open(permit: Permit) -> Self {
        Self::HalfOpen { _permit: permit }
    }

    /// The admission of a connection with a request. `None` if the budget is used up.
    pub(super) fn http(front: &Front, holder: Holder, notice: &Notice) -> Option<Self> {
        front.http.admit(holder, notice).map(|permit| Self::Http { permit })
    }
}

impl Requests {
    /// A service for one connection. If there is an `answer` already, the first request gets it.
    pub(super) fn new(
        front: Arc<Front>,
        connection: Connection,
        (admission, notice): (Admission, Notice),
        answer: Option<Response>,
    ) -> Self {
        let progress = Arc::new(Progress {
            admission: Mutex::new(admission),
            notice,
            last_request: Mutex::new(Instant::now()),
            answer: Mutex::new(answer),
            ended: Arc::default(),
        });
        Self { front, connection, progress }
    }

    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Returns `true` if a request's source is a single client, and not a proxy that does not name
    /// its client.
    fn is_alone(&self, source: Source) -> bool {
        matches!(sender(&self.front, self.connection.peer, source), Holder::Source(_))
    }

    /// Returns a permit from the budget of requests that declared proxies carry for one sender. A
    /// request that comes directly needs none.
    fn permit_behind_proxy(&self, source: Source) -> Result<Option<Permit>, ()> {
        match holder(&self.front, self.connection.peer) {
            Holder::Proxy(_) if self.is_alone(source) => {
                let permit = self.front.proxied.admit_for_good(Holder::Source(source.address));
                permit.map(Some).ok_or(())
            }
            _ => Ok(None),
        }
    }

    /// Admits the connection if it is still half-open. Returns `false` if there is no room. A
    /// connection that carries one request at a time counts for the request's sender.
    fn admits(&self, source: Source, version: Version) -> bool {
        let mut admission = self.progress.admission.lock();
        if let Admission::HalfOpen { .. } = *admission {
            let own = holder(&self.front, self.connection.peer);
            let Some(whole) = Admission::http(&self.front, own, &self.progress.notice) else { return false };
            *admission = whole;
        }
        if let Admission::Http { permit } = &mut *admission
            && version < Version::HTTP_2
            && self.is_alone(source)
        {
            permit.is_for(source.address);
        }
        *self.progress.last_request.lock() = Instant::now();
        true
    }
}

impl Progress {
    /// The flag that is set with the answer that ends HTTP on the connection.
    pub(super) fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }

    /// Waits until the first request is overdue. HTTP/2 has no such limit of its own.
    pub(super) async fn overdue(&self) {
        sleep(HEAD).await;
        let whole = matches!(*self.admission.lock(), Admission::Http { .. });
        if whole {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the connection has had no request for [`IDLE`].
    pub(super) async fn idle(&self) {
        loop {
            let last = *self.last_request.lock();
            sleep_until(last + IDLE).await;
            if *self.last_request.lock() == last {
                return;
            }
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl Service<Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let socket = request.version() < Version::HTTP_2 && is_upgrade(request.headers());
        let answering = self.answer(request);
        if !socket {
            return answering;
        }
        // A WebSocket client that is refused would take a body for frames.
        Box::pin(answering.map_ok(|response| match response.status() {
            status if status.is_client_error() || status.is_server_error() => without_body(response),
            _ => response,
        }))
    }
}

impl Requests {
    fn answer(&self, request: Request<Incoming>) -> Answering {
        let (parts, body) = request.into_parts();
        let source = Source::read(self.connection, &parts.headers, &self.front.app.config().http);
        let share = Arc::new(self.front.unproved.share(source, self.is_alone(source)));
        let (body, unread) = Unread::of(body, &parts.headers, &share);
        let mut request = Request::from_parts(parts, body);
        if !self.admits(source, request.version()) || !share.take(beyond_common(&request)) {
            self.front.app.metrics.connections_shed.inc();
            let response = shed(&self.front.app, &request);
            drop((request, share));
            return Box::pin(after_body(std::future::ready(Ok(response)), unread));
        }
        if length(&request) > head::MAX_HEAD {
            let response = last(head_too_long(), request.version());
            drop(request);
            return Box::pin(after_body(std::future::ready(Ok(response)), unread));
        }
        if let Err(bad) = host::check(request.version(), request.uri(), request.headers()) {
            let (app, version) = (Arc::clone(&self.front.app), request.version());
            let path = request.uri().path().to_owned();
            drop(request);
            let answering = async move {
                let answer = transom_api::malformed(&app, source.address, &path, &bad.to_string()).await;
                Ok(last(answer, version))
            };
            return Box::pin(after_body(answering, unread));
        }
        if let Some(answer) = self.progress.answer.lock().take() {
            return Box::pin(std::future::ready(Ok(answer)));
        }
        // Many people may share a proxy's connection, but each request has one sender.
        let permit = match self.permit_behind_proxy(source) {
            Ok(permit) => permit.map(Arc::new),
            Err(()) => {
                self.front.app.metrics.connections_shed.inc();
                let response = transom_api::overloaded(&self.front.app, request.uri().path());
                drop((request, share));
                return Box::pin(after_body(std::future::ready(Ok(response)), unread));
            }
        };
        request.extensions_mut().insert(source);
        request.extensions_mut().insert(Arc::clone(&share));
        // A device's proof is bound to the TLS connection.
        request.extensions_mut().insert(self.connection);
        if request.headers().contains_key(header::UPGRADE) {
            // The new protocol may only carry a refusal, during which this connection may have to
            // make room.
            let seat = Seat::new((self.progress(), permit.clone()), self.progress.notice.clone());
            request.extensions_mut().insert(seat);
        }
        // Connections of older versions never change their protocol, whatever the answer (RFC 9110
        // §7.8).
        let may_end = request.version() == Version::HTTP_11;
        // Only a request with a body can be cut off for lack of room.
        let cut = unread.is_some().then(|| (Arc::clone(&self.front.app), request.uri().path().to_owned()));
        let (answering, progress) = (self.front.router.clone().oneshot(request), self.progress());
        let answering = async move {
            let mut response = answering.await?;
            drop(permit);
            if let Some((app, path)) = cut.filter(|_| share.was_refused()) {
                app.metrics.bodies_shed.inc();
                response = transom_api::overloaded(&app, &path);
            }
            share.free();
            if source.https && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, TLS_ONLY);
            }
            if may_end && response.status() == StatusCode::SWITCHING_PROTOCOLS {
                progress.ended.store(true, Ordering::Relaxed);
            }
            Ok(response)
        };
        Box::pin(after_body(answering, unread))
    }
}

/// Returns the answer once the caller has sent its whole body, or enough of it.
async fn after_body(
    answering: impl Future<Output = Result<Response, Infallible>>,
    unread: Option<Unread>,
) -> Result<Response, Infallible> {
    let response = answering.await;
    if let Some(unread) = unread {
        unread.discard().await;
    }
    response
}

/// Returns the number of bytes in a request's head beyond the length of common heads. HTTP/2 can
/// have several heads at once on a connection.
fn beyond_common(request: &Request<Body>) -> usize {
    length(request).saturating_sub(COMMON_HEAD)
}

/// The answer to a head that is too long, as over HTTP/1.
fn head_too_long() -> Response {
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, HEAD_TOO_LONG).into_response()
}

/// Returns the length that a request's head would have in HTTP/1, which joins several cookie fields
/// into one (RFC 9113 §8.2.3).
fn length(request: &Request<Body>) -> usize {
    let field = |(name, value): (&header::HeaderName, &HeaderValue)| match name {
        &header::COOKIE => value.len() + "; ".len(),
        name => name.as_str().len() + ": ".len() + value.len() + "\r\n".len(),
    };
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    target + request.headers().iter().map(field).sum::<usize>()
}

/// The answer when a budget is used up. HTTP/2 has no header to close the connection; there, the
/// limit on the first request ends it.
fn shed(app: &App, request: &Request<Body>) -> Response {
    last(transom_api::overloaded(app, request.uri().path()), request.version())
}

/// Marks an answer as the last one on its connection, in versions that have a header for that.
pub(super) fn last(mut response: Response, version: Version) -> Response {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
