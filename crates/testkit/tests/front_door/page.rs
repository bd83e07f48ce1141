//! The delivered console page: the sources that it may load, the sites that may frame it, and the
//! parts that a browser may cache.

use transom_testkit::TestServer;

#[tokio::test]
async fn the_page_runs_only_its_own_code_and_cannot_be_framed() {
    let server = TestServer::start().await;
    let page = server.api().anonymous().get("/console").await;
    assert_eq!(
        page.headers["content-security-policy"],
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
         font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert_eq!(page.headers["x-content-type-options"], "nosniff");
    assert_eq!(page.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn configured_sites_may_frame_the_page() {
    let portals = ["https://portal.example.com", "https://*.example.org"];
    let setup = TestServer::setup().config(|config| {
        config.console.frame_ancestors = portals.map(str::to_owned).to_vec();
    });
    let page = setup.start().await.api().anonymous().get("/console").await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.ends_with("; frame-ancestors https://portal.example.com https://*.example.org"),
        "{policy}"
    );
}

#[tokio::test]
async fn an_invalid_frame_ancestor_permits_no_site() {
    let setup = TestServer::setup().config(|config| {
        config.console.frame_ancestors = vec!["https://portal.example.com\r\nX-Other: 1".to_owned()];
    });
    let page = setup.start().await.api().anonymous().get("/console").await;
    assert_eq!(page.headers["content-security-policy"], "default-src 'none'");
    assert!(!page.headers.contains_key("x-other"));
}

#[tokio::test]
async fn every_page_and_asset_has_security_headers() {
    let server = TestServer::start().await;
    let api = server.api().anonymous();
    let page = api.get("/console").await;
    let asset = page.text.split('"').find(|text| text.starts_with("/assets/")).expect("the page has assets");
    for path in ["/", "/console", "/console/", "/vnc.html", "/console?token=guess", asset, "/assets/none"] {
        for method in [http::Method::GET, http::Method::HEAD] {
            let answer = transom_testkit::api::send(api.request(method.clone(), path)).await;
            let said = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
            assert_eq!(said("cross-origin-opener-policy"), "same-origin", "{method} {path}");
            assert_eq!(said("x-content-type-options"), "nosniff", "{method} {path}");
            assert_eq!(said("referrer-policy"), "no-referrer", "{method} {path}");
            let permissions = said("permissions-policy");
            assert!(permissions.contains("camera=(), microphone=()"), "{method} {path}: {permissions}");
            assert!(
                !permissions.contains("clipboard") && !permissions.contains("fullscreen"),
                "{permissions}"
            );
            let policy = said("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self';"),
                "{method} {path}: {policy}"
            );
            assert!(!policy.contains("unsafe"), "{method} {path}: {policy}");
            assert_eq!(said("strict-transport-security"), "", "{method} {path}: it is not TLS");
        }
    }
}

#[tokio::test]
async fn browsers_are_told_to_require_tls() {
    let server = TestServer::setup().tls(transom_server::Tls::SelfSigned).start().await;
    for path in ["/console", "/api/v1/projects", "/healthz", "/v3", "/api/v2/zec"] {
        let answer = server.api().get(path).await;
        assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000", "{path}");
        let plain = server.plain_api().get(path).await;
        assert!(!plain.headers.contains_key("strict-transport-security"), "{path}");
    }
}
