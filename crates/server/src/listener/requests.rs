//! The requests of one HTTP connection: each goes to the router with where it came from, and counts as a sign of life.

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

/// Browsers ask again for a page's parts within a minute or not at all; the next request makes a new connection.
const IDLE: Duration = Duration::from_secs(60);

/// A browser that came over TLS once comes no other way for a year. Other names of the domain are not ours to speak for.
const TLS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// What a browser sends besides cookies, and a token.
const COMMON_HEAD: usize = 4 * 1024;

/// Hands a connection's requests to the router. The first one that finds a place in the budget of HTTP connections makes the
/// connection a whole one.
#[derive(Clone)]
pub(super) struct Requests {
    front: Arc<Front>,
    connection: Connection,
    progress: Arc<Progress>,
}

/// How far a connection has come.
pub(super) struct Progress {
    place: Mutex<Place>,
    notice: Notice,
    last_request: Mutex<Instant>,
    answer: Mutex<Option<Response>>,
    ended: Arc<AtomicBool>,
}

/// What a connection counts as. It is held until the connection ends or becomes something else.
pub(super) enum Place {
    HalfOpen { _permit: Permit },
    Http { permit: Permit },
}

impl Place {
    /// That of a connection without a request yet.
    pub(super) fn half_open(permit: Permit) -> Self {
        Self::HalfOpen { _permit: permit }
    }

    /// That of a connection with a request, unless its budget is used up.
    pub(super) fn http(front: &Front, holder: Holder, notice: &Notice) -> Option<Self> {
        front.http.admit(holder, notice).map(|permit| Self::Http { permit })
    }
}

impl Requests {
    /// `answer`: that of the first request, where it is known already.
    pub(super) fn new(
        front: Arc<Front>,
        connection: Connection,
        (place, notice): (Place, Notice),
        answer: Option<Response>,
    ) -> Self {
        let progress = Arc::new(Progress {
            place: Mutex::new(place),
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

    /// Whether a request's source is one, rather than a proxy that does not say for whom it asks.
    fn is_alone(&self, source: Source) -> bool {
        matches!(sender(&self.front, self.connection.peer, source), Holder::Source(_))
    }

    /// The place of one request among those that its sender has a declared proxy carry; none is needed for what comes by
    /// itself.
    fn turn(&self, source: Source) -> Result<Option<Permit>, ()> {
        match holder(&self.front, self.connection.peer) {
            Holder::Proxy(_) if self.is_alone(source) => {
                let place = self.front.proxied.admit_for_good(Holder::Source(source.address));
                place.map(Some).ok_or(())
            }
            _ => Ok(None),
        }
    }

    /// Whether the connection has its place, now at the latest. One that carries a request at a time is there for its sender.
    fn has_place(&self, source: Source, version: Version) -> bool {
        let mut place = self.progress.place.lock();
        if let Place::HalfOpen { .. } = *place {
            let own = holder(&self.front, self.connection.peer);
            let Some(whole) = Place::http(&self.front, own, &self.progress.notice) else { return false };
            *place = whole;
        }
        if let Place::Http { permit } = &mut *place
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
    /// Set once the answer was given that ends HTTP.
    pub(super) fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }

    /// Waits until the first request should have come and did not: HTTP/2 has no such limit of its own.
    pub(super) async fn overdue(&self) {
        sleep(HEAD).await;
        let whole = matches!(*self.place.lock(), Place::Http { .. });
        if whole {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until no request has come for a while.
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
        // The client of a refused WebSocket takes what follows the headers for frames.
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
        if !self.has_place(source, request.version()) || !share.take(beyond_common(&request)) {
            self.front.app.metrics.connections_shed.inc();
            let response = shed(&self.front.app, &request);
            drop((request, share));
            return Box::pin(heard_out(std::future::ready(Ok(response)), unread));
        }
        if length(&request) > head::MAX_HEAD {
            let response = last(head_too_long(), request.version());
            drop(request);
            return Box::pin(heard_out(std::future::ready(Ok(response)), unread));
        }
        if let Err(bad) = host::check(request.version(), request.uri(), request.headers()) {
            let (app, version) = (Arc::clone(&self.front.app), request.version());
            let path = request.uri().path().to_owned();
            drop(request);
            let answering = async move {
                let answer = transom_api::malformed(&app, source.address, &path, &bad.to_string()).await;
                Ok(last(answer, version))
            };
            return Box::pin(heard_out(answering, unread));
        }
        if let Some(answer) = self.progress.answer.lock().take() {
            return Box::pin(std::future::ready(Ok(answer)));
        }
        // A proxy's connection is many people's, a request one's.
        let turn = match self.turn(source) {
            Ok(turn) => turn.map(Arc::new),
            Err(()) => {
                self.front.app.metrics.connections_shed.inc();
                let response = transom_api::overloaded(&self.front.app, request.uri().path());
                drop((request, share));
                return Box::pin(heard_out(std::future::ready(Ok(response)), unread));
            }
        };
        request.extensions_mut().insert(source);
        request.extensions_mut().insert(Arc::clone(&share));
        // A device's proof is bound to the connection that it came over.
        request.extensions_mut().insert(self.connection);
        if request.headers().contains_key(header::UPGRADE) {
            // What it goes over to may be no more than a refusal.
            let seat = Seat::new((self.progress(), turn.clone()), self.progress.notice.clone());
            request.extensions_mut().insert(seat);
        }
        // Older versions know no other protocol to go over to, whatever they are answered (RFC 9110 §7.8).
        let may_end = request.version() == Version::HTTP_11;
        // Only what has a body can be cut off for want of room.
        let cut = unread.is_some().then(|| (Arc::clone(&self.front.app), request.uri().path().to_owned()));
        let (answering, progress) = (self.front.router.clone().oneshot(request), self.progress());
        let answering = async move {
            let mut response = answering.await?;
            drop(turn);
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
        Box::pin(heard_out(answering, unread))
    }
}

/// Answers when the caller has sent all it has to send.
async fn heard_out(
    answering: impl Future<Output = Result<Response, Infallible>>,
    unread: Option<Unread>,
) -> Result<Response, Infallible> {
    let response = answering.await;
    if let Some(unread) = unread {
        unread.discard().await;
    }
    response
}

/// The bytes of a request's head beyond what heads commonly have: HTTP/2 brings several at once on a connection.
fn beyond_common(request: &Request<Body>) -> usize {
    length(request).saturating_sub(COMMON_HEAD)
}

/// What the sender of a head that is too long is told, as over HTTP/1.
fn head_too_long() -> Response {
    (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, HEAD_TOO_LONG).into_response()
}

/// How long a request's head would be in HTTP/1: several fields with cookies are one there (RFC 9113 §8.2.3).
fn length(request: &Request<Body>) -> usize {
    let field = |(name, value): (&header::HeaderName, &HeaderValue)| match name {
        &header::COOKIE => value.len() + "; ".len(),
        name => name.as_str().len() + ": ".len() + value.len() + "\r\n".len(),
    };
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    target + request.headers().iter().map(field).sum::<usize>()
}

/// The answer where the budget is used up. HTTP/2 knows no header that closes; there, the wait for a first request ends it.
fn shed(app: &App, request: &Request<Body>) -> Response {
    last(transom_api::overloaded(app, request.uri().path()), request.version())
}

/// The answer with which a connection ends, as far as a header can say so.
pub(super) fn last(mut response: Response, version: Version) -> Response {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
