//! Failures that tests must provoke: a panic, a call that takes too long, too many calls, a
//! database that is gone.

use aws_lc_rs::{digest, hmac};
use axum::body::Body;
use axum::routing::post;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use transom_model::access_key::Role;
use transom_model::audit::Origin;

use super::*;
use transom_app::{Caller, random};
use transom_config::Config;
use transom_model::id::RequestId;
use transom_server::{Options, Server, Tls};

/// Long enough for a successful call.
const PATIENCE: Duration = Duration::from_secs(20);

async fn answer(router: Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.oneshot(request).await.expect("an answer");
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let id = response.headers()["x-request-id"].clone();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["requestId"], id.to_str().expect("text"));
    assert!(body["message"].is_string());
    (status, body["code"].clone())
}

fn wrapped(limit: Duration, handler: axum::routing::MethodRouter) -> Router {
    Router::new()
        .route("/api/v2/zec", handler)
        .layer(middleware::from_fn(move |request, next| envelope::wrap(limit, request, next)))
}

fn empty() -> Request<Body> {
    Request::post("/api/v2/zec").body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn a_panic_is_an_internal_server_error() {
    let router = wrapped(PATIENCE, post(async || -> StatusCode { panic!("on purpose") }));
    let expected = (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR".into());
    assert_eq!(answer(router, empty()).await, expected);
}

#[tokio::test]
async fn a_call_that_takes_too_long_has_timed_out() {
    let router = wrapped(Duration::ZERO, post(async || std::future::pending::<StatusCode>().await));
    let expected = (StatusCode::SERVICE_UNAVAILABLE, "REQUEST_TIMED_OUT".into());
    assert_eq!(answer(router, empty()).await, expected);
}

/// Starts a server, and makes signed requests to it.
async fn started() -> (Server, tempfile::TempDir, impl Fn() -> Request<Body>) {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        data: folder.path().to_owned(),
        config: Config::default(),
        database: None,
        tls: Tls::Off,
        master_key: None,
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
    let server = Server::start(options, listener).await.expect("a server");
    let request = RequestId::in_capitals(random::uuid());
    let call =
        Call { caller: Caller::Operator, dialect: Dialect::Zenlayer, request, origin: Origin::default() };
    server.app().access.create_project(&call, &"lab".parse().expect("a name")).await.expect("a project");
    let (key, secret) = server.app().access.create_key(&call, "lab", "", Role::Reader).await.expect("a key");
    let signed = move || {
        let now = jiff::Timestamp::now().as_second();
        let hash = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
        let canonical = format!("POST\n/\n\ncontent-type:a/b\nhost:h\n\ncontent-type;host\n{}", hash(b"{}"));
        let text = format!("ZC2-HMAC-SHA256\n{now}\n{}", hash(canonical.as_bytes()));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let signature = hex::encode(hmac::sign(&secret, text.as_bytes()));
        let claims = format!("Credential={}, SignedHeaders=content-type;host, Signature={signature}", key.id);
        Request::post("/api/v2/zec")
            .header("host", "h")
            .header("content-type", "a/b")
            .header("x-zc-timestamp", now)
            .header("x-zc-version", "2025-09-01")
            .header("x-zc-action", "DescribeInstances")
            .header("authorization", format!("ZC2-HMAC-SHA256 {claims}"))
            .body(Body::from("{}"))
            .expect("a request")
    };
    (server, folder, signed)
}

#[tokio::test]
async fn an_overloaded_door_and_a_database_that_is_gone_are_temporarily_unavailable() {
    let (server, _folder, signed) = started().await;
    let calls = |places| Calls { app: Arc::clone(server.app()), budget: Semaphore::new(places) };
    let working = routes(calls(1), PATIENCE).oneshot(signed()).await.expect("an answer");
    assert_eq!(working.status(), StatusCode::OK);

    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, "SERVICE_TEMPORARY_UNAVAILABLE".into());
    assert_eq!(answer(routes(calls(0), PATIENCE), signed()).await, unavailable);

    let app = Arc::clone(server.app());
    server.stop().await;
    let gone = Calls { app, budget: Semaphore::new(1) };
    assert_eq!(answer(routes(gone, PATIENCE), signed()).await, unavailable);
}
