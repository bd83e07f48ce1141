//! Origins: the pages that may open consoles.

use transom_testkit::TestServer;

use crate::stage::{Stage, exchanged, refused, turned_away};
use serde_json::json;

async fn with_portal() -> Stage {
    let server = TestServer::setup().config(|config| {
        config.console.allowed_origins.insert("https://portal.example.com".to_owned());
    });
    Stage::on(server.start().await, transom_testkit::Script::default()).await
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_no_use_is_spent() {
    let stage = with_portal().await;
    let token = stage.token().await;
    for origin in [
        "https://evil.example.com",
        "null",
        "https://portal.example.com.evil.com",
        "http://portal.example.com",
    ] {
        assert_eq!(
            turned_away(stage.server.viewer().token(&token).origin(origin)).await,
            format!("4407 The page that opened this console is not allowed to open it. ({origin})"),
        );
    }
    stage.server.viewer().token(&token).view().await;
}

#[tokio::test]
async fn transoms_own_and_configured_origins_may_open_consoles() {
    let stage = with_portal().await;
    for origin in [stage.server.origin(), "https://portal.example.com".to_owned()] {
        let token = stage.token().await;
        stage.server.viewer().token(&token).origin(&origin).view().await;
    }
}

#[tokio::test]
async fn a_cookie_counts_only_with_an_allowed_origin() {
    let stage = with_portal().await;
    let token = stage.token().await;
    let cookie = format!("theme=dark; token=\"{token}\"");
    let viewer = || stage.server.viewer().cookie(&cookie);
    assert_eq!(refused(viewer()).await, "400 token-missing: This console link has no token.");
    assert_eq!(
        turned_away(viewer().origin("https://evil.example.com")).await,
        "4407 The page that opened this console is not allowed to open it. (https://evil.example.com)"
    );
    // Browsers send the cookie to every port of the host. Another service there must not be able to
    // use it.
    let neighbour = format!("http://{}:1", stage.server.address().ip());
    assert_eq!(
        turned_away(viewer().origin(&neighbour)).await,
        format!("4407 The page that opened this console is not allowed to open it. ({neighbour})")
    );
    viewer().origin("https://portal.example.com").view().await;
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_exchange_a_token() {
    let stage = with_portal().await;
    let token = stage.token().await;
    let exchange = |origin: &str| {
        let request = stage.server.api().anonymous().request(http::Method::POST, "/console/exchange");
        transom_testkit::api::send(request.header("origin", origin).json(&json!({ "token": token })))
    };
    let refused = exchange("https://evil.example.com").await;
    assert_eq!(
        refused.to_string(),
        "403 origin-refused: The page that opened this console is not allowed to open it. (https://evil.example.com)"
    );
    assert_eq!(exchange("https://portal.example.com").await.status, 200);
}

#[tokio::test]
async fn a_ticket_is_refused_to_another_origin_and_stays_valid() {
    let stage = with_portal().await;
    let token = stage.token().await;
    let ticket = exchanged(&stage.server, json!({ "token": token })).await;
    assert_eq!(
        turned_away(stage.server.viewer().ticket(&ticket).origin("https://evil.example.com")).await,
        "4407 The page that opened this console is not allowed to open it. (https://evil.example.com)"
    );
    stage.server.viewer().ticket(&ticket).origin(&stage.server.origin()).view().await;
}

/// RFC 9113 §8.3.1: an HTTP/2 request names its destination in `:authority`.
#[tokio::test]
async fn transoms_own_page_under_another_name_may_exchange_over_http_2() {
    let server = TestServer::setup().tls(transom_server::Tls::SelfSigned).start().await;
    let stage = Stage::on(server, transom_testkit::Script::default()).await;
    let port = stage.server.address().port();
    let client = reqwest::Client::builder()
        .use_rustls_tls()
        .tls_danger_accept_invalid_certs(true)
        .resolve("console.test", stage.server.address())
        .build()
        .unwrap();
    let token = stage.token().await;
    let answer = client
        .post(format!("https://console.test:{port}/console/exchange"))
        .header("origin", format!("https://console.test:{port}"))
        .json(&json!({ "token": token }))
        .send()
        .await
        .unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
}

/// A TLS-terminating proxy may announce itself in several ways.
#[tokio::test]
async fn transoms_own_page_under_another_name_is_recognized_behind_a_proxy() {
    let server = TestServer::setup().config(|config| {
        config.http.public_url = Some("https://console.localhost".parse().unwrap());
        config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let stage = Stage::on(server.start().await, transom_testkit::Script::default()).await;
    let proto = http::HeaderName::from_static("x-forwarded-proto");
    for (host, origin, forwarded, same) in [
        ("alt.localhost", "https://alt.localhost", "https", true),
        ("alt.localhost", "https://alt.localhost", "wss", true),
        ("alt.localhost", "https://alt.localhost", "https, http", true),
        ("alt.localhost", "https://alt.localhost", "HTTPS", true),
        ("Alt.localhost:443", "https://alt.localhost", "https", true),
        ("alt.localhost", "http://alt.localhost", "ws", true),
        ("alt.localhost", "https://alt.localhost", "http", false),
        ("alt.localhost", "https://alt.localhost", "http, https", false),
        ("alt.localhost", "https://other.localhost", "https", false),
    ] {
        let token = stage.reusable().await;
        let request = stage.server.plain_api().anonymous().request(http::Method::POST, "/console/exchange");
        let request = request.header("host", host).header("origin", origin).header(&proto, forwarded);
        let answer = transom_testkit::api::send(request.json(&json!({ "token": token }))).await;
        let expected = if same { 200 } else { 403 };
        assert_eq!(answer.status, expected, "{host} {origin} {forwarded}: {answer}");
        // A WebSocket with a cookie, which counts only with Transom's own origin.
        let viewer = stage.server.viewer().cookie(&format!("token={token}")).origin(origin);
        let viewer = viewer.header(proto.clone(), forwarded).host(host);
        if same {
            viewer.view().await;
        } else {
            let told = turned_away(viewer).await;
            assert!(told.starts_with("4407 "), "{host} {origin} {forwarded}: {told}");
        }
    }
}
