//! The native API: permissions and error messages.

use http::Method;
use serde_json::{Value, json};
use transom_testkit::{Api, Instance, Key, Script, TestServer, api};

use crate::stage::{Stage, refused};

async fn keyed(server: &TestServer, project: &str, role: &str) -> Api {
    server.api().with_key(&server.api().add_key(project, role).await)
}

#[tokio::test]
async fn another_projects_objects_are_not_found() {
    let stage = Stage::set().await;
    let api = stage.server.api();
    api.add_project("beta").await;
    let stranger = keyed(&stage.server, "beta", "admin").await;
    let key = api.add_key("alpha", "member").await;
    let console = stage.server.console(&stage.id).await;
    let _viewer = stage.server.viewer().token(&console.token).view().await;
    let session = api::text(&api.newest_session().await, "id");

    let instance = stage.server.instance_path(&stage.id);
    let not_found = |what: &str| format!("404 not-found: {what} not found");
    assert_eq!(stranger.get(&instance).await.to_string(), not_found("project"));
    assert_eq!(stranger.get("/api/v1/projects/alpha/instances").await.to_string(), not_found("project"));
    assert_eq!(stranger.patch(&instance, json!({ "name": "mine" })).await.to_string(), not_found("project"));
    assert_eq!(stranger.delete(&instance).await.to_string(), not_found("project"));
    assert_eq!(stranger.try_console("alpha", &stage.id, json!({})).await.to_string(), not_found("project"));
    let grant = format!("/api/v1/links/{}", console.grant);
    assert_eq!(stranger.get(&grant).await.to_string(), not_found("link"));
    assert_eq!(stranger.delete(&grant).await.to_string(), not_found("link"));
    let session = format!("/api/v1/sessions/{session}");
    assert_eq!(stranger.delete(&session).await.to_string(), not_found("session"));
    let theirs = format!("/api/v1/keys/{}", key.id);
    assert_eq!(stranger.delete(&theirs).await.to_string(), not_found("access key"));
    assert_eq!(
        stranger.post(&format!("{theirs}/rotate"), json!({})).await.to_string(),
        not_found("access key")
    );
    let new_key = stranger.post("/api/v1/keys", json!({ "project": "alpha", "name": "x" })).await;
    assert_eq!(new_key.to_string(), not_found("project"));
    assert_eq!(stranger.get("/api/v1/audit?project=alpha").await.to_string(), not_found("project"));

    for list in ["links", "sessions"] {
        assert_eq!(stranger.get(&format!("/api/v1/{list}")).await.done()["items"], json!([]), "{list}");
    }
    let projects = stranger.get("/api/v1/projects").await.done();
    assert_eq!(names(&projects, "name"), ["beta"]);
    let audit = stranger.get("/api/v1/audit").await.done().to_string();
    assert!(!audit.contains(&console.grant), "{audit}");
}

fn names(list: &Value, member: &str) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(|item| api::text(item, member)).collect()
}

#[tokio::test]
async fn each_role_has_the_rights_of_the_weaker_ones_and_more() {
    let stage = Stage::set().await;
    let reader = keyed(&stage.server, "alpha", "reader").await;
    let member = keyed(&stage.server, "alpha", "member").await;
    let admin = keyed(&stage.server, "alpha", "admin").await;
    let instance = stage.server.instance_path(&stage.id);
    let needs = |role: &str| format!("403 forbidden: this needs the role {role}");

    reader.get(&instance).await.done();
    assert_eq!(reader.try_console("alpha", &stage.id, json!({})).await.to_string(), needs("member"));
    assert_eq!(reader.patch(&instance, json!({ "status": "stopped" })).await.to_string(), needs("member"));

    let console = member.console("alpha", &stage.id, json!({})).await;
    let grant = format!("/api/v1/links/{}", console.grant);
    assert_eq!(reader.delete(&grant).await.to_string(), needs("member"));
    member.delete(&grant).await.done();
    member.patch(&instance, json!({ "status": "stopping" })).await.done();
    assert_eq!(member.patch(&instance, json!({ "name": "x" })).await.to_string(), needs("admin"));
    assert_eq!(member.patch(&instance, json!({ "password": "x" })).await.to_string(), needs("admin"));
    assert_eq!(member.delete(&instance).await.to_string(), needs("admin"));
    assert_eq!(member.get("/api/v1/keys").await.to_string(), needs("admin"));

    admin.patch(&instance, json!({ "name": "x" })).await.done();
    let made = admin.add_key("alpha", "reader").await;
    admin.delete(&format!("/api/v1/keys/{}", made.id)).await.done();
    assert_eq!(admin.post("/api/v1/projects", json!({ "name": "c" })).await.to_string(), needs("operator"));
    admin.delete(&instance).await.done();
}

#[tokio::test]
async fn a_caller_with_unknown_credentials_is_told_the_reason() {
    let server = TestServer::start().await;
    let key = server.api().add_key("alpha", "admin").await;
    let mut mistyped = key.id.clone().into_bytes();
    let neighbours = (5..mistyped.len()).find(|at| mistyped[*at] != mistyped[at - 1]).expect("two letters");
    mistyped.swap(neighbours, neighbours - 1);
    let mistyped = String::from_utf8(mistyped).unwrap();
    let with =
        |id: &str, secret: &str| server.api().with_key(&Key { id: id.to_owned(), secret: secret.to_owned() });
    let unknown = "401 unauthenticated: the access key or its secret is not valid";
    for (api, answer) in [
        (server.api().with_bearer("wrong"), "401 unauthenticated: the token is not valid"),
        (with(&key.id, "wrong"), unknown),
        (
            with(&mistyped, &key.secret),
            "401 unauthenticated: the access key id is mistyped: its checksum does not match",
        ),
        (
            server.api().anonymous(),
            "401 unauthenticated: send Authorization: Bearer with the operator's token or an API token, \
             or Basic with an access key's id and secret",
        ),
    ] {
        let refused = api.get("/api/v1/projects").await;
        assert_eq!(refused.to_string(), answer);
        assert_eq!(refused.headers["www-authenticate"], "Bearer, Basic realm=\"transom\"");
    }
}

#[tokio::test]
async fn two_secrets_are_valid_during_a_rotation() {
    let server = TestServer::start().await;
    let old = server.api().add_key("alpha", "admin").await;
    let path = format!("/api/v1/keys/{}", old.id);
    let works = async |key: &Key| server.api().with_key(key).get("/api/v1/projects").await.status == 200;
    let rotated = server.api().with_key(&old).post(&format!("{path}/rotate"), json!({})).await.done();
    let new = Key { id: old.id.clone(), secret: api::text(&rotated, "secret") };
    assert!(works(&old).await && works(&new).await);
    let third = server.api().post(&format!("{path}/rotate"), json!({})).await;
    assert_eq!(third.status, 409, "{third}");
    server.api().post(&format!("{path}/retire"), json!({})).await.done();
    assert!(!works(&old).await && works(&new).await);
    server.api().delete(&path).await.done();
    assert!(!works(&new).await);
}

#[tokio::test]
async fn a_revoked_keys_console_urls_are_refused() {
    let stage = Stage::set().await;
    let key = stage.server.api().add_key("alpha", "member").await;
    let token = stage.server.api().with_key(&key).console("alpha", &stage.id, json!({})).await.token;
    stage.server.api().delete(&format!("/api/v1/keys/{}", key.id)).await.done();
    assert_eq!(
        refused(stage.server.viewer().token(&token)).await,
        "403 key-revoked: The access key behind this console was revoked."
    );
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    for n in 0..7 {
        server.add_with(&machine, json!({ "id": format!("m{n}") })).await;
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    let mut pages = 0;
    loop {
        let page = server.api().get(&format!("/api/v1/projects/alpha/instances?limit=3{after}")).await.done();
        seen.extend(names(&page, "id"));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!((seen, pages), ((0..7).map(|n| format!("m{n}")).collect::<Vec<_>>(), 3));
    let broken = server.api().get("/api/v1/links?limit=many").await;
    assert_eq!(broken.to_string(), "400 invalid: limit: must be a whole number from 1 to 1000");
}

#[tokio::test]
async fn malformed_requests_are_refused_in_the_native_format() {
    let server = TestServer::start().await;
    let send = |method: Method, path: &str, body: String| {
        let request =
            server.api().request(method, path).header("content-type", "application/json").body(body);
        api::send(request)
    };
    let post = |body: &str| send(Method::POST, "/api/v1/projects", body.to_owned());
    for (body, answer) in [
        ("", "the body is not JSON: EOF while parsing a value at line 1 column 0"),
        ("{", "the body is not JSON: EOF while parsing an object at line 1 column 1"),
        ("\u{0}", "the body is not JSON: expected value at line 1 column 1"),
        ("7", "the body must be a JSON object, not a number"),
        ("[]", "the body must be a JSON object, not an array"),
        (r#"["beta"]"#, "the body must be a JSON object, not an array"),
        (r#"{"name": 7}"#, "name: must be a string, not a number"),
        (r#"{"name": ["x"]}"#, "name: must be a string, not an array"),
        (r#"{"name": "x", "nmae": "y"}"#, "nmae: unknown field `nmae`, expected `name`"),
    ] {
        let refused = post(body).await;
        assert_eq!(refused.to_string(), format!("400 invalid: {answer}"), "{body}");
        assert_eq!(refused.json()["error"]["request_id"], refused.headers["x-request-id"].to_str().unwrap());
    }
    assert_eq!(post(&format!("{{\"name\": \"{}\"}}", "x".repeat(300 * 1024))).await.status, 413);
    let bare = api::send(server.api().request(Method::POST, "/api/v1/projects").body("{}")).await;
    assert_eq!(bare.to_string(), "400 invalid: the body must come with Content-Type: application/json");
    let unknown = server.api().get("/api/v1/nothing/here").await;
    assert_eq!(unknown.to_string(), "404 not-found: path not found");
    let unknown = server.api().get("/nothing").await;
    assert_eq!((unknown.status, unknown.text.as_str()), (404, "There is nothing here.\n"));
}

#[tokio::test]
async fn values_out_of_bounds_are_named() {
    let stage = Stage::set().await;
    let console = |body: Value| stage.server.api().try_console("alpha", &stage.id, body);
    for (body, answer) in [
        (json!({ "ttl_seconds": 0 }), "400 invalid: ttl_seconds: must be more than 0 and at most 7 days"),
        (
            json!({ "ttl_seconds": 700_000 }),
            "400 invalid: ttl_seconds: must be more than 0 and at most 7 days",
        ),
        (json!({ "uses": 10_001 }), "400 invalid: uses: must be at most 10000, or 0 for no limit"),
    ] {
        assert_eq!(console(body).await.to_string(), answer);
    }
    let add = |body: Value| stage.server.api().post("/api/v1/projects/alpha/instances", body);
    assert_eq!(add(json!({})).await.to_string(), "400 invalid: endpoint: is missing");
    for body in [
        json!({ "endpoint": "http://10.0.0.1" }),
        json!({ "endpoint": "vnc://10.0.0.1:99999" }),
        json!({ "endpoint": "vnc://10.0.0.1", "id": "with space" }),
        json!({ "endpoint": "vnc://10.0.0.1", "status": "asleep" }),
        json!({ "endpoint": "vnc://10.0.0.1", "name": "line\nbreak" }),
    ] {
        let refused = add(body.clone()).await;
        assert!(refused.to_string().starts_with("400 invalid: "), "{body}: {refused}");
    }
    let taken = add(json!({ "endpoint": "vnc://10.0.0.1", "id": stage.id })).await;
    assert_eq!(taken.status, 409, "{taken}");
}

#[tokio::test]
async fn a_grants_audit_records_are_found_by_its_id() {
    let stage = Stage::set().await;
    let console = stage.server.console(&stage.id).await;
    let _viewer = stage.server.viewer().token(&console.token).view().await;
    refused(stage.server.viewer().token(&console.token)).await;
    let trail = stage.server.api().get(&format!("/api/v1/audit?link={}", console.grant)).await.done();
    let steps = trail["items"].as_array().unwrap().iter();
    let steps = steps.map(|step| (step["action"].as_str().unwrap(), step["outcome"].as_str().unwrap()));
    let expected = [("link.create", "ok"), ("session.start", "ok"), ("link.use", "token-spent")];
    assert_eq!(steps.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_token_issues_no_token_that_outlives_it() {
    let server = TestServer::start().await;
    let key = server.api().add_key("alpha", "admin").await;
    let path = format!("/api/v1/keys/{}/token", key.id);
    let first = server.api().with_key(&key).post(&path, json!({ "ttl_seconds": 60 })).await.done();
    let holder = server.api().with_bearer(&api::text(&first, "token"));
    let second = holder.post(&path, json!({ "ttl_seconds": 86400 })).await.done();
    assert_eq!(second["expires_at"], first["expires_at"]);
    let other = server.api().add_key("alpha", "member").await;
    let path = format!("/api/v1/keys/{}/token", other.id);
    assert_eq!(
        holder.post(&path, json!({ "ttl_seconds": 86400 })).await.done()["expires_at"],
        first["expires_at"]
    );
}

#[tokio::test]
async fn a_mistyped_key_id_is_distinguished_from_an_unknown_one() {
    let server = TestServer::start().await;
    let key = server.api().add_key("alpha", "admin").await.id;
    let last = if key.ends_with('2') { '3' } else { '2' };
    let mistyped = format!("{}{last}", &key[..key.len() - 1]);
    assert_eq!(
        server.api().delete(&format!("/api/v1/keys/{mistyped}")).await.to_string(),
        "404 not-found: the access key id has a typo (its checksum does not match), so the key was not found"
    );
}

#[tokio::test]
async fn an_oversized_body_is_refused_in_the_native_format() {
    let server = TestServer::start().await;
    let body = json!({ "name": "x".repeat(300 * 1024) });
    let refused = server.api().post("/api/v1/projects", body).await;
    assert_eq!(refused.to_string(), "413 too-large: the body is too large");
}

#[tokio::test]
async fn a_client_certificate_requires_a_verified_server() {
    let stage = Stage::set().await;
    let pem = rcgen::generate_simple_self_signed(["here".to_owned()]).unwrap().cert.pem();
    let alone =
        stage.server.api().patch(&stage.server.instance_path(&stage.id), json!({ "certificate": pem })).await;
    assert_eq!(
        alone.to_string(),
        "409 conflict: certificate: needs ca or fingerprint: without one of them, the instance is reached without TLS"
    );
    let instances = "/api/v1/projects/alpha/instances";
    let new = |fingerprint: &str| json!({ "endpoint": stage.machine.endpoint(), "certificate": pem, "ca": "", "fingerprint": fingerprint });
    assert_eq!(stage.server.api().post(instances, new("")).await.status, 400);
    assert_eq!(stage.server.api().post(instances, new(&"ab".repeat(32))).await.status, 201);
}

#[tokio::test]
async fn the_audit_records_changes_and_viewers() {
    let stage = Stage::set().await;
    let instance = stage.server.instance_path(&stage.id);
    let endpoint = stage.machine.endpoint();
    let change = json!({ "endpoint": "vnc://192.0.2.1", "password": "secret99" });
    stage.server.api().patch(&instance, change).await.done();
    stage.server.api().patch(&instance, json!({ "endpoint": endpoint, "password": "" })).await.done();
    let (_viewer, _guest) = stage.session().await;
    let audit = stage.server.api().get("/api/v1/audit?limit=50").await.done();
    let detail = |action: &str| {
        let records = audit["items"].as_array().unwrap().iter().filter(|record| record["action"] == action);
        records.map(|record| api::text(record, "detail")).collect::<Vec<_>>()
    };
    let moved = [
        format!("endpoint {endpoint} to vnc://192.0.2.1:5900, password"),
        format!("endpoint vnc://192.0.2.1:5900 to {endpoint}, password"),
    ];
    assert_eq!(detail("instance.change"), moved);
    assert_eq!(detail("session.start"), ["viewer 127.0.0.1"]);
}

/// Without a limit, a holder of a spent link could fill the database.
#[tokio::test]
async fn a_repeated_refusal_is_recorded_once() {
    let stage = Stage::set().await;
    let console = stage.server.console(&stage.id).await;
    let _viewer = stage.server.viewer().token(&console.token).view().await;
    for _ in 0..20 {
        refused(stage.server.viewer().token(&console.token)).await;
    }
    let audit =
        stage.server.api().get(&format!("/api/v1/audit?link={}&limit=100", console.grant)).await.done();
    let refusals = audit["items"].as_array().unwrap().iter().filter(|record| record["action"] == "link.use");
    assert_eq!(refusals.count(), 1);
}
