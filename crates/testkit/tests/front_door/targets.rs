//! Targets: the endpoints that consoles may lead to, depending on who set them.

use serde_json::json;
use transom_testkit::{Api, Instance, Script, TestServer};

use crate::stage::assert_live;

async fn allowing(allow: &[&str], allow_unix: &[&str]) -> TestServer {
    let networks = allow.iter().map(|network| network.parse().unwrap()).collect();
    let folders = allow_unix.iter().map(|folder| (*folder).to_owned()).collect();
    let server = TestServer::setup().config(|config| {
        config.endpoints.allow = networks;
        config.endpoints.allow_unix = folders;
    });
    server.start().await
}

async fn admin(server: &TestServer) -> Api {
    server.api().with_key(&server.api().add_key("alpha", "admin").await)
}

async fn try_add(api: &Api, endpoint: &str) -> String {
    api.post("/api/v1/projects/alpha/instances", json!({ "endpoint": endpoint })).await.to_string()
}

async fn end_of(server: &TestServer, id: &str) -> String {
    let token = server.console(id).await.token;
    server.viewer().token(&token).open().await.unwrap().closed().await.to_string()
}

const NOT_ALLOWED_HERE: &str =
    "403 endpoint-not-allowed: Transom is not allowed to connect to the machine's address.";
const NOT_ALLOWED: &str = "4421 Transom is not allowed to connect to the machine's address.";

#[tokio::test]
async fn a_projects_own_key_cannot_set_endpoints_by_default() {
    let server = TestServer::start().await;
    let admin = admin(&server).await;
    for endpoint in [
        "vnc://127.0.0.1:5900",
        "vnc://10.0.0.1",
        "vnc://localhost",
        "vnc://metadata",
        "vnc+unix:/run/vnc.sock",
    ] {
        assert_eq!(try_add(&admin, endpoint).await, NOT_ALLOWED_HERE, "{endpoint}");
    }
    let machine = Instance::start(Script::default()).await;
    let id = server.add(&machine).await;
    let moved = admin.patch(&server.instance_path(&id), json!({ "endpoint": "vnc://127.0.0.1:1" })).await;
    assert_eq!(moved.to_string(), NOT_ALLOWED_HERE);
}

#[tokio::test]
async fn a_projects_own_key_can_set_endpoints_that_the_configuration_permits() {
    let server = allowing(&["127.0.0.1:1024-65535"], &[]).await;
    let machine = Instance::start(Script::default()).await;
    let admin = admin(&server).await;
    let id = admin.add_instance("alpha", json!({ "endpoint": machine.endpoint() })).await;
    let mut viewer = server.viewer().token(&server.console(&id).await.token).view().await;
    assert_live(&mut viewer, &mut machine.guest().await).await;
    for endpoint in
        ["vnc://127.0.0.1:22", "vnc://127.0.0.2:5900", "vnc+unix:/run/vnc.sock", "vnc://[::1]:5900"]
    {
        assert_eq!(try_add(&admin, endpoint).await, NOT_ALLOWED_HERE, "{endpoint}");
    }
    assert_eq!(try_add(&admin, "vnc://[::ffff:127.0.0.1]:5900").await, "201");
}

#[tokio::test]
async fn a_projects_own_key_can_set_unix_sockets_in_permitted_folders_only() {
    let folder = tempfile_folder();
    let server = allowing(&[], &[folder.path().to_str().unwrap()]).await;
    let machine = Instance::start_unix(Script::default(), &folder.path().join("vnc.sock")).await;
    let admin = admin(&server).await;
    let id = admin.add_instance("alpha", json!({ "endpoint": machine.endpoint() })).await;
    server.viewer().token(&server.console(&id).await.token).view().await;
    let beside = format!("vnc+unix:{}-beside/vnc.sock", folder.path().display());
    assert_eq!(try_add(&admin, &beside).await, NOT_ALLOWED_HERE);
    let climbing = format!("vnc+unix:{}/../vnc.sock", folder.path().display());
    assert!(try_add(&admin, &climbing).await.starts_with("400 invalid: endpoint: "));
}

fn tempfile_folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn link_local_is_refused_even_to_the_operator() {
    let server = allowing(&["0.0.0.0/0", "::/0"], &[]).await;
    for endpoint in [
        "vnc://169.254.169.254:80",
        "vnc://[fe80::1]:5900",
        "vnc://[::ffff:169.254.169.254]:80",
        "vnc://0.0.0.0:5900",
        "vnc://224.0.0.1:5900",
    ] {
        let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
        assert_eq!(end_of(&server, &id).await, NOT_ALLOWED, "{endpoint}");
    }
}

#[tokio::test]
async fn a_name_is_checked_by_the_address_that_it_resolves_to_at_the_dial() {
    // The permitted network does not contain localhost: the name can be set, but the dial is
    // refused.
    let server = allowing(&["10.0.0.0/8"], &[]).await;
    let admin = admin(&server).await;
    let machine = Instance::start(Script::default()).await;
    let port = machine.endpoint().rsplit_once(':').unwrap().1;
    let endpoint = format!("vnc://localhost:{port}");
    let id = admin.add_instance("alpha", json!({ "endpoint": endpoint })).await;
    assert_eq!(end_of(&server, &id).await, NOT_ALLOWED);
    assert_eq!(machine.arrived(), 0);
    // The same name opens if the operator set it.
    server.api().patch(&server.instance_path(&id), json!({ "endpoint": endpoint })).await.done();
    server.viewer().token(&server.console(&id).await.token).view().await;
}

#[tokio::test]
async fn an_endpoint_that_the_configuration_no_longer_permits_is_refused_at_the_next_dial() {
    let setup =
        TestServer::setup().config(|config| config.endpoints.allow = vec!["127.0.0.1".parse().unwrap()]);
    let server = setup.clone().start().await;
    let machine = Instance::start(Script::default()).await;
    let id = admin(&server).await.add_instance("alpha", json!({ "endpoint": machine.endpoint() })).await;
    server.viewer().token(&server.console(&id).await.token).view().await;
    server.stop().await;
    let server = setup.config(|config| config.endpoints.allow.clear()).resume().await;
    assert_eq!(end_of(&server, &id).await, NOT_ALLOWED);
}

/// A password that the operator entrusted to one machine is not sent to another one that a key of
/// the project names.
#[tokio::test]
async fn moving_an_instance_by_a_project_does_not_move_its_password() {
    let server = allowing(&["127.0.0.1:1024-65535"], &[]).await;
    let machine = Instance::start(Script::default().password("curtains")).await;
    let admin = admin(&server).await;
    let elsewhere = json!({ "endpoint": machine.endpoint() });
    for (change, kept) in [
        (json!({ "name": "renamed" }), true),
        (elsewhere.clone(), false),
        (json!({ "username": "x" }), false),
        (json!({ "fingerprint": "ab".repeat(32) }), false),
    ] {
        let id = server.add_with(&machine, json!({ "password": "curtains" })).await;
        let changed = admin.patch(&server.instance_path(&id), change.clone()).await.done();
        assert_eq!(changed["security"]["password"], kept, "{change}");
        // The operator may move it, and so may a caller who sets the password again.
        server.api().patch(&server.instance_path(&id), json!({ "password": "curtains" })).await.done();
        let moved = server.api().patch(&server.instance_path(&id), elsewhere.clone()).await.done();
        assert_eq!(moved["security"]["password"], true);
        let both = json!({ "endpoint": machine.endpoint(), "password": "drapes" });
        assert_eq!(admin.patch(&server.instance_path(&id), both).await.done()["security"]["password"], true);
    }
}
