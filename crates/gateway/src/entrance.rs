//! The ways in: a WebSocket upgrade, or a raw CONNECT. A viewer presents a token or a resume
//! ticket, and gets a session or the reason for a refusal.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{COOKIE, ORIGIN, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use tokio_util::task::TaskTracker;
use transom_model::EndReason;
use transom_model::audit::UserAgent;
use transom_model::console_kind::ConsoleKind;
use transom_model::end_reason::End;
use transom_model::id::RequestId;
use transom_net::Stream;
use transom_websocket::upgrade::{Upgrade, UpgradeError};

use super::link::Link;
use super::session;
use transom_app::access::caller::Attempt;
use transom_app::consoles::claim::Claim;
use transom_app::consoles::visitor::Visitor;
use transom_app::devices::DialDevice;
use transom_app::{App, Error, random};
use transom_http::console_paths::token_of;
use transom_http::error::{Failure, refused_upgrade};
use transom_http::put_id;
use transom_http::seat::Seat;
use transom_http::source::Source;
use transom_http::upgrade::Switched;

/// The gateway's front: admits viewers and owns their sessions' tasks.
#[derive(Clone)]
pub struct Gateway {
    app: Arc<App>,
    devices: Arc<dyn DialDevice>,
    tasks: TaskTracker,
}

/// The secret that a viewer presents.
#[derive(Clone, Copy)]
enum Presented<'a> {
    Token(&'a str),
    Ticket(&'a str),
}

/// The answer to a request for a WebSocket.
pub enum Decision {
    /// The connection becomes a WebSocket: the answer's headers, and the WebSocket's purpose.
    Switch(HeaderMap, Next),
    /// The connection stays HTTP.
    Refuse(Response),
}

/// The purpose of a WebSocket.
pub enum Next {
    /// A session, and `true` if it has the page's channel. The claim is large and moves through
    /// several futures, each of which would reserve room for it.
    Carry(Box<Claim>, bool),
    /// The viewer gets no session, for this reason.
    Close(End),
}

impl Gateway {
    /// A gateway whose sessions run in these tasks.
    #[must_use]
    pub fn new(app: Arc<App>, devices: Arc<dyn DialDevice>, tasks: TaskTracker) -> Self {
        Self { app, devices, tasks }
    }

    /// Answers a request for a WebSocket that arrived through hyper.
    pub async fn websocket(&self, source: Source, request: RequestId, mut http: Request<Body>) -> Response {
        let upgraded = hyper::upgrade::on(&mut http);
        match self.decide(source, &request, http.uri(), http.headers()).await {
            Decision::Refuse(response) => response,
            Decision::Switch(headers, next) => {
                let gateway = self.clone();
                // A session has a slot of its own, so only a refusal needs the connection's seat.
                let seat =
                    http.extensions().get::<Seat>().filter(|_| matches!(next, Next::Close(_))).cloned();
                self.tasks.spawn(async move {
                    let going_on = Box::pin(async {
                        match Switched::from(upgraded).await {
                            Some(switched) => gateway.run_websocket(next, switched).await,
                            None => gateway.give_up(next).await,
                        }
                    });
                    let Some(seat) = seat else { return going_on.await };
                    if !seat.hold_during(going_on).await {
                        gateway.app.metrics.connections_shed.inc();
                    }
                });
                (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
            }
        }
    }

    /// Judges a request for a WebSocket, and takes one use of a valid token.
    ///
    /// A browser hides the status of a failed upgrade, so a request with an `Origin` is upgraded
    /// and then closed with the reason's code. A request without one gets the HTTP status and no
    /// body, because its client would take that for the first frame.
    pub async fn decide(
        &self,
        source: Source,
        request: &RequestId,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Decision {
        let upgrade = match Upgrade::read(headers) {
            Ok(upgrade) => upgrade,
            Err(error) => return Decision::Refuse(malformed(error)),
        };
        let by_ticket = upgrade.ticket.map(random::request_id_by);
        let request = by_ticket.as_ref().unwrap_or(request);
        let origin = headers.get(ORIGIN);
        // A browser sends a cookie to every port of its host, from any page. So only our own pages
        // may use one.
        let own = origin.and_then(|origin| origin.to_str().ok());
        let own = own.filter(|origin| is_allowed(&self.app, origin, headers, source));
        let token = uri.query().and_then(token_of).or_else(|| own.and_then(|_| cookie_of(headers)));
        let presented =
            upgrade.ticket.map(Presented::Ticket).or_else(|| token.as_deref().map(Presented::Token));
        let withheld = presented.is_none() && cookie_of(headers).is_some();
        let admitted = match origin {
            // The cookie of a page from another port does not count. The page cannot know that, so
            // it is refused as a page of a foreign origin.
            Some(origin) if withheld || !self.allows_origin(origin, headers, source) => {
                let attempt = Attempt { source: source.address, request };
                Err(self.app.access.refuse_origin(attempt, origin.to_str().unwrap_or("an unreadable one")))
            }
            _ => {
                let (kind, request) = (ConsoleKind::Websocket, request.clone());
                self.admit(presented, source.visitor(headers, kind, request)).await
            }
        };
        let mut answer = upgrade.answer();
        put_id(&mut answer, request);
        match admitted {
            Ok(claim) => Decision::Switch(answer, Next::Carry(Box::new(claim), upgrade.has_channel())),
            Err(error) if origin.is_some() => {
                Decision::Switch(answer, Next::Close(session::end_of(error, request)))
            }
            Err(error) => {
                let mut response = Failure::new(error, request).of_upgrade();
                put_id(response.headers_mut(), request);
                Decision::Refuse(response)
            }
        }
    }

    /// Serves a connection after its upgrade to a WebSocket.
    pub async fn run_websocket(&self, next: Next, switched: Switched) {
        match next {
            Next::Carry(claim, has_channel) => {
                let link = Box::new(Link::websocket(switched, has_channel));
                session::run(Arc::clone(&self.app), Arc::clone(&self.devices), claim, link).await;
            }
            Next::Close(end) => Box::pin(session::refuse(Link::websocket(switched, false), &end)).await,
        }
    }

    /// Gives the token's use back after the viewer left before the upgrade was complete.
    async fn give_up(&self, next: Next) {
        if let Next::Carry(claim, _) = next
            && let Err(error) = self.app.consoles.give_back(&claim, &EndReason::ViewerLost.into()).await
        {
            tracing::error!(%error, "a use of a link could not be restored");
        }
    }

    /// Admits the viewer behind a raw CONNECT.
    pub async fn connect(
        &self,
        source: Source,
        user_agent: Option<UserAgent>,
        token: &str,
    ) -> Result<Claim, (Error, RequestId)> {
        let request = random::request_id();
        let kind = ConsoleKind::Xvpvnc;
        let visitor = Visitor { address: source.address, user_agent, kind, request: request.clone() };
        self.admit(Some(Presented::Token(token)), visitor).await.map_err(|error| (error, request))
    }

    /// Carries a raw viewer's session.
    pub async fn run_raw(&self, claim: Claim, stream: Stream) {
        session::run(
            Arc::clone(&self.app),
            Arc::clone(&self.devices),
            Box::new(claim),
            Box::new(Link::raw(stream)),
        )
        .await;
    }

    async fn admit(&self, presented: Option<Presented<'_>>, visitor: Visitor) -> Result<Claim, Error> {
        let (source, request) = (visitor.address, visitor.request.clone());
        let claimed = match presented {
            None => Err(End::from(EndReason::TokenMissing).into()),
            Some(Presented::Ticket(ticket)) => self.app.consoles.claim_by_ticket(ticket, visitor).await,
            Some(Presented::Token(token)) => self.app.consoles.claim_by_token(token, visitor).await,
        };
        claimed.map_err(|error| self.app.access.guarded(Attempt { source, request: &request }, error))
    }

    /// Returns `true` if a page of this origin may open consoles: our own pages, and those of the
    /// configuration.
    fn allows_origin(&self, origin: &HeaderValue, headers: &HeaderMap, source: Source) -> bool {
        let of_same_host = |origin| is_of_same_host(origin, headers, source);
        origin
            .to_str()
            .is_ok_and(|origin| is_allowed(&self.app, origin, headers, source) || of_same_host(origin))
    }
}

/// Returns `true` if a page of this origin may use consoles.
#[must_use]
pub fn is_allowed(app: &App, origin: &str, headers: &HeaderMap, source: Source) -> bool {
    let Some(origin) = normal(origin) else { return false };
    if app.public_url().origin().ascii_serialization() == origin
        || app.config().console.allowed_origins.contains(&origin)
    {
        return true;
    }
    // Our own pages are also reached by other names, such as an address: a page whose origin is the
    // destination of this very request is our own.
    let host = headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let scheme = if source.https { "https" } else { "http" };
    host.is_some_and(|host| normal(&format!("{scheme}://{host}")).is_some_and(|own| own == origin))
}

/// Returns an origin as browsers write it: in lower case, without the scheme's own port. A URL with
/// further parts is not an origin.
fn normal(origin: &str) -> Option<String> {
    let url: url::Url = origin.parse().ok()?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let no_user = url.username().is_empty() && url.password().is_none();
    (bare && no_user && !origin.ends_with('/')).then(|| url.origin().ascii_serialization())
}

/// Returns `true` if a page comes from the host whose console it opens, by the same scheme. The
/// port may differ: noVNC is often served by another server on the same host, and OpenStack's own
/// gateway ignores the port as well.
fn is_of_same_host(origin: &str, headers: &HeaderMap, source: Source) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let called = headers.get(http::header::HOST).and_then(|called| called.to_str().ok());
    let called = called.and_then(|called| called.parse::<http::uri::Authority>().ok());
    let scheme = if source.https { "https" } else { "http" };
    let host =
        origin.host().filter(|_| origin.scheme_str().is_some_and(|own| own.eq_ignore_ascii_case(scheme)));
    host.zip(called).is_some_and(|(host, called)| host.eq_ignore_ascii_case(called.host()))
}

/// Returns the cookie `token`, as older noVNC pages send it. A browser sends it for any page, so it
/// counts only with an allowed origin.
fn cookie_of(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(name, _)| *name == "token");
    found.map(|(_, token)| token.trim_matches('"').to_owned()).filter(|token| !token.is_empty())
}

fn malformed(error: UpgradeError) -> Response {
    let why = error.to_string();
    if !matches!(error, UpgradeError::Version) {
        return refused_upgrade(StatusCode::BAD_REQUEST, &why);
    }
    let mut response = refused_upgrade(StatusCode::UPGRADE_REQUIRED, &why);
    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_as_browsers_write_it() {
        for (origin, expected) in [
            ("https://c.example", Some("https://c.example")),
            ("HTTPS://C.Example:443", Some("https://c.example")),
            ("http://c.example:8080", Some("http://c.example:8080")),
            ("https://c.example/", None),
            ("https://c.example/page", None),
            ("https://c.example?x", None),
            ("https://u@c.example", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(normal(origin).as_deref(), expected, "{origin:?}");
        }
    }

    #[test]
    fn a_page_of_the_same_host_may_come_from_another_port() {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::HOST, HeaderValue::from_static("console.example:8443"));
        let source = Source { address: std::net::Ipv4Addr::LOCALHOST.into(), https: true };
        for (origin, expected) in [
            ("https://console.example:8443", true),
            ("https://console.example", true),
            ("https://CONSOLE.example:6080", true),
            ("http://console.example:8443", false),
            ("https://console.example.evil.example", false),
            ("https://evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(is_of_same_host(origin, &headers, source), expected, "{origin:?}");
        }
    }
}
