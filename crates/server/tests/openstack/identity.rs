//! Tokens: issued by every method, shown, and invalid once they are revoked.

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Answer, House, PROJECT, answer};

async fn log_in(house: &House, auth: Value) -> Answer {
    answer(house.request(Method::POST, "/v3/auth/tokens").json(&json!({ "auth": auth }))).await
}

#[tokio::test]
async fn an_access_key_is_a_user_and_an_application_credential() {
    let house = House::start().await;
    let (id, secret) = (&house.member.id, &house.member.secret);
    let domain = json!({"name": "Default"});
    let user = json!({"name": id, "domain": domain, "password": secret});
    let password = |user: &Value| json!({"methods": ["password"], "password": {"user": user}});
    let credential = json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": secret}});
    let scope = json!({"project": {"name": PROJECT, "domain": {"id": "default"}}});
    for auth in [
        json!({"identity": password(&user), "scope": scope}),
        json!({"identity": password(&json!({"id": id, "password": secret}))}),
        json!({"identity": credential}),
        json!({"identity": {"methods": ["application_credential"], "application_credential":
            {"name": "test", "user": {"id": id}, "secret": secret}}}),
    ] {
        let got = log_in(&house, auth).await;
        assert_eq!(got.status, 201, "{:?}", got.body);
        let token = &got.body["token"];
        assert_eq!((&token["user"]["id"], &token["project"]["name"]), (&json!(id), &json!(PROJECT)));
        let kinds: Vec<_> = token["catalog"].as_array().unwrap().iter().map(|entry| &entry["type"]).collect();
        assert_eq!(kinds, ["compute", "identity"]);
        assert!(!got.header("x-subject-token").is_empty());
    }
    let elsewhere = json!({"name": id, "domain": {"name": "Elsewhere"}, "password": secret});
    let wrong = json!({"id": id, "password": "guess"});
    for auth in [
        json!({"identity": password(&elsewhere)}),
        json!({"identity": password(&wrong)}),
        json!({"identity": password(&user), "scope": {"project": {"name": "other", "domain": domain}}}),
        json!({"identity": password(&user), "scope": {"system": {"all": true}}}),
        json!({"identity": {"methods": ["totp"]}}),
    ] {
        let refused = log_in(&house, auth).await;
        let message = "The request you have made requires authentication.";
        let expected = json!({"error": {"code": 401, "title": "Unauthorized", "message": message}});
        assert_eq!((refused.status, refused.body), (401, expected));
    }
    assert_eq!(log_in(&house, json!({"identity": {}})).await.status, 400);
}

/// Typed clients send `null` for unset members.
#[tokio::test]
async fn null_counts_as_absent() {
    let house = House::start().await;
    let (id, secret) = (&house.member.id, &house.member.secret);
    let user = json!({"id": id, "name": null, "domain": null, "password": secret});
    let identity = |user: &Value| {
        let password = json!({"user": user});
        json!({"methods": ["password"], "password": password, "token": null, "application_credential": null})
    };
    let project = json!({"id": null, "name": PROJECT, "domain": {"id": "default", "name": null}});
    for scope in [json!(null), json!({"unscoped": null, "system": null, "domain": null, "project": project})]
    {
        let got = log_in(&house, json!({"identity": identity(&user), "scope": scope})).await;
        assert_eq!((got.status, &got.body["token"]["project"]["name"]), (201, &json!(PROJECT)), "{scope}");
    }
    for auth in [
        json!({"identity": identity(&json!({"id": id, "password": null}))}),
        json!({"identity": {"methods": ["password", null], "password": {"user": user}}}),
        json!({"identity": null}),
    ] {
        assert_eq!(log_in(&house, auth.clone()).await.status, 400, "{auth}");
    }
    let ask = json!({"auth": {"passwordCredentials": {"username": id, "password": secret}, "token": null,
        "RAX-KSKEY:apiKeyCredentials": null, "tenantName": PROJECT, "tenantId": null}});
    assert_eq!(answer(house.request(Method::POST, "/v2.0/tokens").json(&ask)).await.status, 200);
    let (vnc, spice) = (r#""os-getVNCConsole":{"type":"novnc"}"#, r#""os-getSPICEConsole":null"#);
    assert_eq!(house.action(crate::house::RUNNING, &format!("{{{spice},{vnc}}}")).await.status, 200);
    assert_eq!(house.action(crate::house::RUNNING, &format!("{{{spice}}}")).await.status, 400);
}

#[tokio::test]
async fn a_token_is_shown_passed_on_and_revoked() {
    let house = House::start().await;
    let (id, secret) = (&house.member.id, &house.member.secret);
    let got = log_in(
        &house,
        json!({"identity": {"methods": ["application_credential"],
        "application_credential": {"id": id, "secret": secret}}}),
    )
    .await;
    let token = got.header("x-subject-token").to_owned();
    let with = |method: Method, path: &str| {
        house.request(method, path).header("x-auth-token", &token).header("x-subject-token", &token)
    };
    let shown = answer(with(Method::GET, "/v3/auth/tokens")).await;
    assert_eq!((shown.status, &shown.body["token"]["user"]["id"]), (200, &json!(id)));
    assert_eq!(with(Method::HEAD, "/identity/v3/auth/tokens").send().await.unwrap().status(), 200);
    let projects = answer(with(Method::GET, "/v3/auth/projects")).await;
    assert_eq!(projects.body["projects"][0]["name"], PROJECT);
    assert_eq!(answer(with(Method::GET, "/v3/auth/catalog")).await.body["catalog"][0]["type"], "compute");
    assert_eq!(answer(with(Method::GET, "/v3/auth/domains")).await.body["domains"][0]["id"], "default");

    let passed_on = log_in(&house, json!({"identity": {"methods": ["token"], "token": {"id": token}}})).await;
    assert_eq!(passed_on.status, 201);
    assert_eq!(
        passed_on.body["token"]["expires_at"], got.body["token"]["expires_at"],
        "it must not outlive the first"
    );

    assert_eq!(with(Method::DELETE, "/v3/auth/tokens").send().await.unwrap().status(), 204);
    assert_eq!(with(Method::GET, "/v3/auth/tokens").send().await.unwrap().status(), 401);
    assert_eq!(with(Method::GET, "/v2.1/servers").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_revoked_keys_tokens_are_worth_nothing() {
    let house = House::start().await;
    let token = house.token(&house.member).await;
    let ask = || house.request(Method::GET, "/v2.1/servers").header("x-auth-token", &token).send();
    assert_eq!(ask().await.unwrap().status(), 200);
    let id = house.member.id.parse().unwrap();
    house.server.app().access.revoke_key(&crate::house::operator(), &id).await.unwrap();
    assert_eq!(ask().await.unwrap().status(), 401);
}

#[tokio::test]
async fn rackspaces_identity_takes_password_and_api_key_and_names_services_as_each_client_knows_them() {
    let house = House::start().await;
    let (id, secret) = (&house.member.id, &house.member.secret);
    let ask =
        |auth: Value| answer(house.request(Method::POST, "/v2.0/tokens").json(&json!({ "auth": auth })));
    let token = house.token(&house.member).await;
    for (auth, names) in [
        (
            json!({"passwordCredentials": {"username": id, "password": secret}, "tenantName": PROJECT}),
            ["nova", "keystone"],
        ),
        (json!({"token": {"id": token}}), ["nova", "keystone"]),
        (
            json!({"RAX-KSKEY:apiKeyCredentials": {"username": id, "apiKey": secret}}),
            ["cloudServersOpenStack", "cloudIdentity"],
        ),
    ] {
        let got = ask(auth).await;
        assert_eq!(got.status, 200, "{:?}", got.body);
        let access = &got.body["access"];
        let catalog = access["serviceCatalog"].as_array().unwrap();
        let named: Vec<_> = catalog.iter().map(|service| &service["name"]).collect();
        assert_eq!(named, names);
        let tenant = access["token"]["tenant"]["id"].as_str().unwrap();
        let urls: Vec<_> = catalog.iter().map(|service| &service["endpoints"][0]["publicURL"]).collect();
        let at = |path: &str| format!("{}{path}", house.url);
        assert_eq!(urls, [&json!(at(&format!("/compute/v2/{tenant}"))), &json!(at("/identity/v2.0"))]);
    }
    let wrong = ask(json!({"RAX-KSKEY:apiKeyCredentials": {"username": id, "apiKey": "guess"}})).await;
    assert_eq!((wrong.status, &wrong.body["unauthorized"]["code"]), (401, &json!(401)));
    let both = json!({"passwordCredentials": {"username": id, "password": secret}, "tenantName": "a", "tenantId": "b"});
    assert_eq!(ask(both).await.body["badRequest"]["code"], 400);
}

#[tokio::test]
async fn version_documents_need_no_token_and_stand_with_and_without_a_slash() {
    let house = House::start().await;
    let get = |path: &'static str| answer(house.request(Method::GET, path));
    for (path, status, pointer, expected) in [
        ("/identity", 300, "/versions/values/0/id", "v3.14"),
        ("/identity/", 300, "/versions/values/0/id", "v3.14"),
        ("/v3", 200, "/version/id", "v3.14"),
        ("/identity/v3/", 200, "/version/id", "v3.14"),
        ("/v2.0", 200, "/version/id", "v2.0"),
        ("/compute", 200, "/versions/1/version", "2.104"),
        ("/v2.1", 200, "/version/min_version", "2.1"),
        ("/compute/v2.1/", 200, "/version/version", "2.104"),
        ("/v2/", 200, "/version/id", "v2.0"),
        ("/compute/elsewhere", 300, "/choices/1/id", "v2.1"),
    ] {
        let answer = get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.body.pointer(pointer), Some(&json!(expected)), "{path}");
    }
}

#[tokio::test]
async fn a_token_expires_and_the_database_holds_no_token() {
    let house = House::start().await;
    let token = house.token(&house.member).await;
    let ask = || house.request(Method::GET, "/v2.1/servers").header("x-auth-token", &token).send();
    assert_eq!(ask().await.unwrap().status(), 200);
    let mut kept = Vec::new();
    for file in std::fs::read_dir(house.data.path()).unwrap() {
        let path = file.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("transom.db") {
            kept.extend(std::fs::read(path).unwrap());
        }
    }
    let holds = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(&house.member.id) && !holds(&token) && !holds(&house.member.secret));
    house.sql("UPDATE api_tokens SET expires_at = 1").await;
    assert_eq!(ask().await.unwrap().status(), 401);
}

/// Returns the ids of the versions in a document, in either service's form.
fn versions(document: &Value) -> Vec<&str> {
    let listed = document["versions"]["values"].as_array().or_else(|| document["versions"].as_array());
    listed.into_iter().flatten().map(|version| version["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_url_of_the_catalogue_has_its_services_versions_at_the_parent_without_a_version() {
    let house = House::start().await;
    let (id, secret) = (&house.member.id, &house.member.secret);
    let credential = json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": secret}});
    let v3 = log_in(&house, json!({"identity": credential})).await;
    let question = json!({"auth": {"RAX-KSKEY:apiKeyCredentials": {"username": id, "apiKey": secret}}});
    let v2 = answer(house.request(Method::POST, "/v2.0/tokens").json(&question)).await;
    let services = [&v3.body["token"]["catalog"], &v2.body["access"]["serviceCatalog"]];
    let services: Vec<_> = services.into_iter().flat_map(|services| services.as_array().unwrap()).collect();
    assert_eq!(services.len(), 4);
    for service in services {
        let endpoint = &service["endpoints"][0];
        let url = endpoint["url"].as_str().or_else(|| endpoint["publicURL"].as_str()).unwrap();
        let path = url.strip_prefix(&house.url).unwrap();
        let (parent, _) = path.split_once("/v").unwrap();
        let version = if service["type"] == "compute" { "v2.1" } else { "v3.14" };
        for parent in [parent.to_owned(), format!("{parent}/")] {
            let found = answer(house.request(Method::GET, &parent)).await;
            assert!(versions(&found.body).contains(&version), "{url}: {parent}: {:?}", found.body);
        }
    }
}

#[tokio::test]
async fn the_root_tells_programs_identitys_versions_and_browsers_a_page() {
    let house = House::start().await;
    let ask = |accept: Option<&'static str>| {
        let request = house.request(Method::GET, "/");
        accept.map_or_else(|| house.request(Method::GET, "/"), |accept| request.header("accept", accept))
    };
    for accept in [None, Some("*/*"), Some("application/json"), Some("application/json, text/html;q=0.5")] {
        let found = answer(ask(accept)).await;
        assert_eq!((found.status, found.header("vary")), (200, "Accept"), "{accept:?}");
        assert_eq!(versions(&found.body), ["v3.14"], "{accept:?}");
        let itself = &found.body["versions"]["values"][0]["links"][0]["href"];
        assert_eq!(itself, &json!(format!("{}/identity/v3/", house.url)));
    }
    let page =
        ask(Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")).send().await.unwrap();
    assert_eq!((page.status().as_u16(), &page.headers()["vary"]), (200, &"Accept".parse().unwrap()));
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.text().await.unwrap().starts_with("<!doctype html>"));
}
