//! The parts for browsers: the console page, its assets, and the exchange of a token for a resume
//! ticket.

mod assets;
mod exchange;
mod front;
mod state;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, Uri, header};

use state::Web;
use transom_app::access::caller::Attempt;
use transom_app::{App, Error};
use transom_gateway::entrance::Gateway;
use transom_http::console_paths::{CONSOLE_PATHS, SESSION_PATH, WEBSOCKIFY_PATH};
use transom_http::error::Failure;
use transom_http::source::Source;
use transom_http::{Id, limits};
use transom_websocket::upgrade::is_upgrade;

/// The browser features that our pages never use and that are therefore blocked. Others, such as
/// clipboard and fullscreen, stay available.
const PERMISSIONS: HeaderValue = HeaderValue::from_static(
    "camera=(), microphone=(), geolocation=(), display-capture=(), payment=(), usb=(), serial=(), hid=(), midi=(), \
     accelerometer=(), gyroscope=(), magnetometer=()",
);

/// Returns every spelling of a WebSocket's path. A browser takes a path that begins with two
/// slashes for another host, so pages are served at the first two spellings only.
fn forms(path: &str) -> [String; 4] {
    [path.to_owned(), format!("{path}/"), format!("/{path}"), format!("/{path}/")]
}

/// Returns the routes of pages and WebSockets. `document` answers programs that ask for the root.
pub fn router(app: Arc<App>, gateway: Gateway, document: fn(&App) -> Response) -> Router {
    let console_policy = content_policy(&app.config().console.frame_ancestors);
    let web = Web { app, gateway, console_policy, document };
    let mut router =
        Router::new().route("/", get(front::root)).route("/assets/{*path}", get(assets::asset)).route(
            "/console/exchange",
            post(exchange::exchange).layer(DefaultBodyLimit::max(limits::TOKEN_BODY)),
        );
    for path in [SESSION_PATH, WEBSOCKIFY_PATH].into_iter().flat_map(forms) {
        router = router.route(&path, get(websocket));
    }
    for path in CONSOLE_PATHS {
        let page = get(console).head(probe);
        router = router.route(path, page.clone()).route(&format!("{path}/"), page);
    }
    router.layer(middleware::from_fn_with_state(web.clone(), guard)).with_state(web)
}

/// Adds the browser security headers to every answer.
async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    // A browser does not display the answer to a request for a WebSocket.
    if is_upgrade(request.headers()) {
        return next.run(request).await;
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("permissions-policy", PERMISSIONS);
    headers.insert(header::CONTENT_SECURITY_POLICY, web.console_policy);
    if web.app.config().console.frame_ancestors.is_empty() {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    response
}

/// `GET` on a console path always returns the page, for any token: the URL is opened in a browser.
async fn console() -> Response {
    assets::page("console.html")
}

/// `HEAD` tells whether the URL's token would open a console, and does not use it up. A fragment is
/// never sent, so for our own links it only shows that a page is here.
async fn probe(State(web): State<Web>, id: Id, source: Source, uri: Uri) -> Response {
    let Some(token) = token_in(uri.query().unwrap_or_default()) else {
        return StatusCode::OK.into_response();
    };
    let attempt = Attempt { source: source.address, request: &id.0 };
    let opens = web.app.consoles.opens_console(&token, attempt).await;
    match opens.map_err(|error| web.app.access.guarded(attempt, error)) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(Error::End(end)) if end.reason.http_status() < 500 => StatusCode::UNAUTHORIZED.into_response(),
        Err(error) => Failure::new(error, &id.0).into_response(),
    }
}

/// Returns the token in the query of a console URL: its own parameter, or a parameter within the
/// path that noVNC would open.
fn token_in(query: &str) -> Option<String> {
    let named = |query: &str, name: &str| {
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
    };
    named(query, "token").or_else(|| {
        let path = named(query, "path")?;
        path.split_once('?').and_then(|(_, query)| named(query, "token"))
    })
}

async fn websocket(State(web): State<Web>, id: Id, source: Source, request: Request) -> Response {
    if is_upgrade(request.headers()) {
        return web.gateway.websocket(source, id.0, request).await;
    }
    let sentence = "This address is for WebSockets: open the console's own link instead.\n";
    (
        StatusCode::UPGRADE_REQUIRED,
        [(header::UPGRADE, "websocket"), (header::CONNECTION, "Upgrade")],
        sentence,
    )
        .into_response()
}

/// Returns the policy that allows only scripts that we ship, and frames only in the pages that the
/// configuration names.
fn content_policy(frame_ancestors: &[String]) -> HeaderValue {
    let ancestors = if frame_ancestors.is_empty() { "'none'".to_owned() } else { frame_ancestors.join(" ") };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
         font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
    );
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
