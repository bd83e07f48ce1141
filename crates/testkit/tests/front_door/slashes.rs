//! Base URLs with an extra or a missing slash. Each door responds as without the mistake, or with
//! an error in its own form.

use http::Method;
use serde_json::json;
use transom_testkit::TestServer;
use transom_testkit::api::{Answer, Api, send};

async fn ask(api: &Api, method: &Method, path: &str) -> Answer {
    let request = api.request(method.clone(), path);
    send(if *method == Method::POST { request.json(&json!({})) } else { request }).await
}

#[tokio::test]
async fn a_dialect_ignores_an_extra_slash() {
    let server = TestServer::start().await;
    server.api().add_project("lab").await;
    let api = server.api().with_key(&server.api().add_key("lab", "member").await);
    for (method, path, paths) in [
        (
            Method::GET,
            "/cloud/1.1/static-address",
            &["//cloud/1.1/static-address", "///cloud/1.1/static-address"][..],
        ),
        (Method::GET, "/cloud/1.1/static-address?a=b", &["//cloud/1.1/static-address?a=b"]),
        (Method::POST, "/api/v2/zec", &["//api/v2/zec"]),
        (
            Method::POST,
            "/v3/auth/tokens",
            &["//v3/auth/tokens", "/v3//auth/tokens", "//identity//v3/auth/tokens/"],
        ),
        (Method::GET, "/compute", &["//compute", "/compute//"]),
    ] {
        let right = ask(&api, &method, path).await;
        assert_ne!(right.status, 404, "{path}");
        for path in paths {
            let answer = ask(&api, &method, path).await;
            let kind = |answer: &Answer| answer.headers.get("content-type").cloned();
            assert_eq!(
                (answer.status, kind(&answer)),
                (right.status, kind(&right)),
                "{path}: {}",
                answer.text
            );
            // Zenlayer's answers differ only in their ids.
            assert_eq!(answer.text.len(), right.text.len(), "{path}: {} {}", answer.text, right.text);
        }
    }
}

#[tokio::test]
async fn a_missing_slash_is_answered_in_the_form_of_the_intended_door() {
    let server = TestServer::start().await;
    server.api().add_project("lab").await;
    let api = server.api().with_key(&server.api().add_key("lab", "member").await);
    for path in
        ["/cloud1.1/static-address", "/cloud//1.1/static-address", "/cloud/1.1/static-address/", "//cloud"]
    {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, ""), "{path}");
    }
    for path in ["/api/v2zec", "//api/v2zec", "/api/v2zec/"] {
        let answer = ask(&api, &Method::POST, path).await.json();
        assert_eq!(answer["code"], "AUTHFAILURE_UNAUTHORIZED_OPERATION", "{path}: {answer}");
        assert!(answer["requestId"].is_string() && answer["message"].is_string(), "{path}: {answer}");
    }
    for (path, pointer) in [
        ("/identityv3/auth/tokens", "/error/code"),
        ("/v3auth/tokens", "/error/code"),
        ("/v2.0tokens", "/itemNotFound/code"),
        ("/computev2.1/servers", "/itemNotFound/code"),
        ("/v2.1servers", "/itemNotFound/code"),
        ("//v2servers", "/itemNotFound/code"),
    ] {
        let answer = api.get(path).await;
        assert_eq!(
            (answer.status, answer.json().pointer(pointer)),
            (404, Some(&json!(404))),
            "{path}: {}",
            answer.text
        );
    }
    // The native API merges no slashes, so that a proxy's rules can rely on one name per path.
    for path in [
        "//api/v1/projects",
        "/api/v1/projects/",
        "/api//v1/projects",
        "/api/v1projects",
        "/api/v1",
        "/api/v1/",
    ] {
        let answer = api.get(path).await;
        let expected = (404, "not-found", "path not found");
        let error = answer.json()["error"].clone();
        let told = (answer.status, error["code"].as_str().unwrap(), error["message"].as_str().unwrap());
        assert_eq!(told, expected, "{path}");
    }
    for path in ["//", "/nothing", "//console", "//healthz"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (404, "There is nothing here.\n"), "{path}");
    }
}
