//! Budgets: concurrent sessions, and failed attempts from one address.

use http::Method;
use serde_json::json;
use transom_testkit::api::text;
use transom_testkit::wait::within;
use transom_testkit::{Answer, Script, TestServer, api, postgres};

use crate::stage::{Stage, exchanged, refused, turned_away};

#[tokio::test]
async fn a_grant_has_a_maximum_number_of_concurrent_sessions() {
    let server = TestServer::setup().config(|config| config.limits.sessions_per_link = 2);
    let stage = Stage::on(server.start().await, Script::default()).await;
    let token = stage.reusable().await;
    let first = stage.server.viewer().token(&token).view().await;
    let _second = stage.server.viewer().token(&token).view().await;
    let refusal = "429 too-many-sessions: Too many sessions are open at once.";
    assert_eq!(refused(stage.server.viewer().token(&token)).await, refusal);
    let page = stage.server.viewer().token(&token).origin(&stage.server.origin());
    assert_eq!(turned_away(page).await, "4414 Too many sessions are open at once.");
    drop(first);
    transom_testkit::wait::until("the first place is free", || stage.server.app().live.count() == 1).await;
    stage.server.viewer().token(&token).view().await;
}

#[tokio::test]
async fn a_key_has_a_maximum_number_of_concurrent_sessions_over_all_its_grants() {
    let server = TestServer::setup().config(|config| config.limits.sessions_per_key = 1);
    let stage = Stage::on(server.start().await, Script::default()).await;
    let key = stage.server.api().add_key("alpha", "member").await;
    let keyed = stage.server.api().with_key(&key);
    let token = async || keyed.console("alpha", &stage.id, json!({})).await.token;
    let _first = stage.server.viewer().token(&token().await).view().await;
    assert_eq!(
        refused(stage.server.viewer().token(&token().await)).await,
        "429 too-many-sessions: Too many sessions are open at once."
    );
    // The operator's sessions do not count for the key.
    stage.session().await;
}

#[tokio::test]
async fn a_full_node_says_so_and_returns_the_use() {
    let server = TestServer::setup().config(|config| config.limits.sessions = 1);
    let stage = Stage::on(server.start().await, Script::default()).await;
    let (first, _guest) = stage.session().await;
    let token = stage.token().await;
    assert_eq!(refused(stage.server.viewer().token(&token)).await, "503 overloaded: Transom is at capacity.");
    drop(first);
    transom_testkit::wait::until("the place is free", || stage.server.app().live.count() == 0).await;
    stage.server.viewer().token(&token).view().await;
}

/// A server behind a TLS proxy, so that a test can come from any source.
async fn behind_proxy(failures: u32) -> TestServer {
    let server = TestServer::setup().config(|config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.limits.failed_authentications = failures;
    });
    server.start().await
}

async fn guess(server: &TestServer, from: &str) -> Answer {
    let wrong = server.api().with_bearer("a guess");
    api::send(wrong.request(Method::GET, "/api/v1/projects").header("x-forwarded-for", from)).await
}

#[tokio::test]
async fn only_a_source_that_guesses_too_often_must_wait() {
    let server = behind_proxy(3).await;
    for _ in 0..3 {
        assert_eq!(
            guess(&server, "192.0.2.1").await.to_string(),
            "401 unauthenticated: the token is not valid"
        );
    }
    let limited = guess(&server, "192.0.2.1").await;
    assert_eq!(limited.to_string(), "429 rate-limited: Too many attempts were made in a short time.");
    assert_eq!(limited.headers["retry-after"], "1");
    assert_eq!(guess(&server, "192.0.2.2").await.status, 401);
    // Wrong proofs of others do not delay a correct one.
    let right = server.api().request(Method::GET, "/api/v1/projects").header("x-forwarded-for", "192.0.2.1");
    assert_eq!(api::send(right).await.status, 200);
}

#[tokio::test]
async fn an_ipv6_network_is_one_source_and_a_proxy_may_write_ports() {
    let server = behind_proxy(2).await;
    for (from, status) in [
        ("2001:db8:0:1::1", 401),
        ("[2001:db8:0:1::2]:4711", 401),
        ("2001:db8:0:1:ffff::3", 429),
        ("2001:db8:0:2::1", 401),
        ("6.6.6.6, 192.0.2.1:1000", 401),
        ("7.7.7.7, 192.0.2.1:1001", 401),
        ("8.8.8.8, 192.0.2.1", 429),
    ] {
        assert_eq!(guess(&server, from).await.status, status, "{from}");
    }
}

#[tokio::test]
async fn guessed_tokens_count_as_failed_attempts_on_every_way_in() {
    let stage = Stage::on(behind_proxy(2).await, Script::default()).await;
    let token = stage.token().await;
    let from = |opening: transom_testkit::Opening| {
        opening.header(http::HeaderName::from_static("x-forwarded-for"), "192.0.2.9")
    };
    for _ in 0..2 {
        assert_eq!(
            refused(from(stage.server.viewer().token("a-guess"))).await,
            "401 token-unknown: This console link is not valid."
        );
    }
    let limited = "429 rate-limited: Too many attempts were made in a short time.";
    assert_eq!(refused(from(stage.server.viewer().token("a-guess"))).await, limited);
    assert_eq!(refused(from(stage.server.viewer().ticket("a-guess"))).await, limited);
    let exchange = stage.server.api().anonymous().request(Method::POST, "/console/exchange");
    let exchange = exchange.header("x-forwarded-for", "192.0.2.9").json(&json!({ "token": "a-guess" }));
    assert_eq!(api::send(exchange).await.to_string(), limited);
    from(stage.server.viewer().token(&token)).view().await;
}

#[tokio::test]
async fn this_machine_is_exempt_from_the_limit_on_guesses() {
    let server = TestServer::setup().config(|config| config.limits.failed_authentications = 1).start().await;
    for _ in 0..10 {
        let answer = server.api().with_bearer("a guess").get("/api/v1/projects").await;
        assert_eq!(answer.to_string(), "401 unauthenticated: the token is not valid");
    }
}

#[tokio::test]
async fn a_shared_link_at_its_limit_says_so_to_pages_too() {
    for setup in [TestServer::setup(), TestServer::setup().database(postgres::database())] {
        let server = setup.config(|config| config.limits.sessions_per_link = 3);
        let stage = Stage::on(server.start().await, Script::default()).await;
        let (one, other) = (stage.reusable().await, stage.reusable().await);
        let mut pages = Vec::new();
        for _ in 0..3 {
            let ticket = exchanged(&stage.server, json!({ "token": one })).await;
            pages.push(stage.server.viewer().ticket(&ticket).view().await);
        }
        let limit = "429 too-many-sessions: Too many sessions are open at once.";
        for _ in 0..3 {
            let refused = stage.server.api().exchange(json!({ "token": one })).await;
            assert_eq!(refused.to_string(), limit);
        }
        stage.server.api().exchange(json!({ "token": other })).await.done();
        // When one leaves, another can come.
        drop(pages.pop());
        within("a free place", async {
            let path = "/api/v1/sessions?live=true";
            let open = async || stage.server.api().get(path).await.done()["items"].clone();
            while !open().await.as_array().unwrap().iter().any(|session| session["state"] == "detached") {}
        })
        .await;
        stage.server.api().exchange(json!({ "token": one })).await.done();
        let refused = stage.server.api().exchange(json!({ "token": one })).await;
        assert_eq!(refused.to_string(), limit, "a ticket that was not presented yet has its place");
    }
}

#[tokio::test]
async fn a_link_with_unlimited_use_issues_a_limited_number_of_tickets_per_minute() {
    let server = TestServer::setup().config(|config| config.limits.sessions_per_link = 1);
    let stage = Stage::on(server.start().await, Script::default()).await;
    let token = stage.reusable().await;
    let mut given = 0;
    within("an end of the tickets", async {
        loop {
            let answer = stage.server.api().exchange(json!({ "token": token })).await;
            if answer.status == 200 {
                given += 1;
                let ticket = text(&answer.json(), "ticket");
                drop(stage.server.viewer().ticket(&ticket).view().await);
                stage.machine.guest().await.ended().await;
                let path = "/api/v1/sessions?live=true";
                let open = async || stage.server.api().get(path).await.done()["items"].clone();
                while open().await.as_array().unwrap().iter().any(|session| session["state"] != "detached") {}
            } else {
                assert_eq!(answer.json()["error"]["code"], "too-many-sessions");
                return;
            }
        }
    })
    .await;
    assert!(
        (4..10).contains(&given),
        "four times the sessions at once, and as many again each minute: {given}"
    );
}
