//! The console page as it is delivered: what it may load, who may frame it, and what a browser may remember of it.

use transom_testkit::TestServer;

#[tokio::test]
async fn the_page_runs_only_what_we_ship_and_nobody_frames_it() {
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
async fn the_page_is_framed_by_whom_the_configuration_names() {
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
async fn a_frame_ancestor_that_is_no_origin_shuts_the_page_rather_than_opening_it() {
    let setup = TestServer::setup().config(|config| {
        config.console.frame_ancestors = vec!["https://portal.example.com\r\nX-Other: 1".to_owned()];
    });
    let page = setup.start().await.api().anonymous().get("/console").await;
    assert_eq!(page.headers["content-security-policy"], "default-src 'none'");
    assert!(!page.headers.contains_key("x-other"));
}
