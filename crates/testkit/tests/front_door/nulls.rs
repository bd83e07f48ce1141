//! `null` members, which typed clients send for members that they do not set.

use serde_json::{Value, json};
use transom_testkit::api::text;

use crate::stage::Stage;

#[tokio::test]
async fn null_counts_as_absent() {
    let stage = Stage::set().await;
    let api = stage.server.api();
    let key = api.add_key("alpha", "member").await.id;
    let endpoint = stage.machine.endpoint();
    let connect = json!({ "key": key, "action": "connect", "groups": null, "allow_groups": null, "allow_addresses": null });
    let listen = json!({ "key": key, "action": "listen", "groups": null, "allow_groups": ["a"], "allow_addresses": null });
    let address = text(&api.post("/api/v1/addresses", listen.clone()).await.done(), "cloudAddress");
    let instance = json!({
        "id": null, "name": null, "endpoint": endpoint, "status": null, "username": null, "password": null, "ca": null,
        "certificate": null, "key": null, "fingerprint": null, "headers": null,
    });
    let made = api.post("/api/v1/projects/alpha/instances", instance).await.done();
    assert_eq!((&made["name"], &made["status"]), (&made["id"], &json!("running")));
    let change = json!({
        "name": "other", "endpoint": null, "status": null, "username": null, "password": null, "ca": null, "certificate": null,
        "key": null, "fingerprint": null, "headers": null, "moved": null,
    });
    let changed = api.patch(&stage.server.instance_path(&text(&made, "id")), change).await.done();
    assert_eq!((&changed["name"], &changed["endpoint"]), (&json!("other"), &made["endpoint"]));
    for (path, body) in [
        ("/api/v1/keys".to_owned(), json!({ "project": "alpha", "name": null })),
        ("/api/v1/addresses".to_owned(), connect),
        ("/api/v1/addresses".to_owned(), listen),
        (format!("{}/console", stage.server.instance_path(&stage.id)), json!({ "kind": null })),
    ] {
        let made = api.post(&path, body.clone()).await;
        assert_eq!(made.status, 201, "{path} {body}: {made}");
    }
    let ticket =
        api.post(&format!("/api/v1/addresses/{address}/repeater-ticket"), json!({ "numeric": null })).await;
    assert_eq!(ticket.status, 409, "understood, and this server takes none: {ticket}");
    let nothing = json!({ "action": null, "groups": null, "allow_groups": null, "allow_addresses": null });
    let shown = api.patch(&format!("/api/v1/addresses/{address}"), nothing).await.done();
    assert_eq!((&shown["allow_groups"], &shown["open_to_key"]), (&json!(["a"]), &json!(false)));
}

#[tokio::test]
async fn null_is_refused_for_required_members_and_where_it_would_grant_access() {
    let stage = Stage::set().await;
    let api = stage.server.api();
    let key = api.add_key("alpha", "member").await.id;
    let listen = json!({ "key": key, "action": "listen", "allow_groups": ["a"] });
    let address = text(&api.post("/api/v1/addresses", listen).await.done(), "cloudAddress");
    let console = format!("{}/console", stage.server.instance_path(&stage.id));
    let (token, addresses) = (format!("/api/v1/keys/{key}/token"), "/api/v1/addresses");
    let opens = "must be a list or absent, because null would let in every address of the key";
    let number = "must be a whole number within its bounds, not null";
    let enrollment = |more: Value| {
        let mut body = json!({ "key": key, "count": 1 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (path, body, said) in [
        (&*console, json!({ "view_only": null }), "view_only: must be a boolean, not null".to_owned()),
        (&console, json!({ "ttl_seconds": null }), format!("ttl_seconds: {number}")),
        (&console, json!({ "ends_after_seconds": null }), format!("ends_after_seconds: {number}")),
        (&console, json!({ "uses": null }), format!("uses: {number}")),
        (&token, json!({ "ttl_seconds": null }), format!("ttl_seconds: {number}")),
        ("/api/v1/enrollments", enrollment(json!({ "ttl_seconds": null })), format!("ttl_seconds: {number}")),
        (
            "/api/v1/enrollments",
            enrollment(json!({ "allow_groups": null })),
            "allow_groups: must be".to_owned(),
        ),
        ("/api/v1/keys", json!({ "project": "alpha", "role": null }), "role: must not be null".to_owned()),
        ("/api/v1/keys", json!({ "project": null }), "project: must be a string, not null".to_owned()),
        (
            addresses,
            json!({ "key": key, "action": "listen", "allow_groups": null }),
            format!("allow_groups: {opens}"),
        ),
        (
            addresses,
            json!({ "key": key, "action": "listen", "allow_groups": [], "allow_addresses": null }),
            format!("allow_addresses: {opens}"),
        ),
        (
            addresses,
            json!({ "key": key, "action": "connect", "groups": [null] }),
            "groups[0]: must be".to_owned(),
        ),
        ("/api/v1/projects/alpha/instances", json!({ "endpoint": null }), "endpoint: must be".to_owned()),
    ] {
        let refused = api.post(path, body.clone()).await;
        assert!(refused.to_string().starts_with(&format!("400 invalid: {said}")), "{body}: {refused}");
    }
    let change = json!({ "action": "listen", "allow_groups": null });
    let refused = api.patch(&format!("/api/v1/addresses/{address}"), change).await;
    assert_eq!(refused.to_string(), format!("400 invalid: allow_groups: {opens}"));
}
