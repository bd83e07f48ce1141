//! Nova's answers to errors: status, name and sentence.

use reqwest::Method;
use serde_json::json;
use transom_config::Config;
use transom_model::access_key::Role;
use transom_server::Tls;

use crate::house::{FOREIGN, House, RUNNING, STOPPED, answer};

const NOVNC: &str = r#"{"os-getVNCConsole":{"type":"novnc"}}"#;

#[tokio::test]
async fn each_bad_body_gets_the_sentence_that_nova_has_for_it() {
    let house = House::start().await;
    let input = "Invalid input for field/attribute";
    for (body, message) in [
        (
            r#"{"os-getVNCConsole":{}}"#,
            format!("{input} os-getVNCConsole. Value: {{}}. 'type' is a required property"),
        ),
        (
            r#"{"os-getVNCConsole":{"type":"bogus"}}"#,
            format!("{input} type. Value: bogus. 'bogus' is not one of ['novnc', 'xvpvnc']"),
        ),
        (
            r#"{"os-getVNCConsole":{"type":null}}"#,
            format!("{input} type. Value: None. None is not of type 'string'"),
        ),
        (
            r#"{"os-getVNCConsole":null}"#,
            format!("{input} os-getVNCConsole. Value: None. None is not of type 'object'"),
        ),
        (
            r#"{"os-getVNCConsole":{"type":"novnc","z":1}}"#,
            format!(
                "{input} os-getVNCConsole. Value: {{'type': 'novnc', 'z': 1}}. \
                 Additional properties are not allowed ('z' was unexpected)"
            ),
        ),
        ("", "Malformed request body".into()),
        ("{}", "Malformed request body".into()),
        ("[]", "Malformed request body".into()),
        (r#"{"a":1,"b":2}"#, "Malformed request body".into()),
        (&"[".repeat(100_000), "Malformed request body".into()),
        (r#"{"nope":null}"#, "There is no such action: nope".into()),
        (r#"{"os-getSPICEConsole":{"type":"spice-html5"}}"#, "Unavailable console type spice-html5.".into()),
        (r#"{"os-getSerialConsole":{"type":"serial"}}"#, "Unavailable console type serial.".into()),
    ] {
        let answer = house.action(RUNNING, body).await;
        assert_eq!(answer.status, 400, "{body:.60}");
        assert_eq!(answer.body, json!({"badRequest": {"code": 400, "message": message}}), "{body:.60}");
    }
    let member = &house.member;
    let post = || {
        let request = house.request(Method::POST, "/v2.1/servers/web-1/action");
        request.basic_auth(&member.id, Some(&member.secret))
    };
    let not_text = answer(post().body(b"{\"\xff\":1}".to_vec())).await;
    assert_eq!(not_text.body["badRequest"]["message"], "Malformed request body");
    let xml = answer(post().header("content-type", "application/xml").body("<a/>")).await;
    assert_eq!((xml.status, &xml.body["badMediaType"]["code"]), (415, &json!(415)));
    let text =
        answer(post().header("content-type", "text/plain").header("accept", "application/xml").body(NOVNC))
            .await;
    assert_eq!(text.status, 200);
    let large = answer(post().body(vec![b' '; 10 * 1024 * 1024])).await;
    assert_eq!((large.status, &large.body["overLimit"]["code"]), (413, &json!(413)));
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_told_in_the_documented_shape() {
    let house = House::start().await;
    let missing = |id: &str| json!({"itemNotFound": {"code": 404, "message": format!("Instance {id} could not be found.")}});
    for id in ["nothing", FOREIGN, "a%20b"] {
        let answer = house.action(id, NOVNC).await;
        assert_eq!((answer.status, answer.body), (404, missing(&id.replace("%20", " "))));
    }
    let stopped = house.action(STOPPED, NOVNC).await;
    let message = format!("Cannot 'get_vnc_console' instance {STOPPED} while it is in vm_state stopped");
    assert_eq!(stopped.status, 409);
    assert_eq!(stopped.body, json!({"conflictingRequest": {"code": 409, "message": message}}));

    let method = house.call(Method::GET, "/v2.1/servers/web-1/action", "").await;
    assert_eq!((method.status, method.header("allow")), (405, "POST"));
    assert_eq!(method.body["badMethod"]["code"], 405);
    let path = house.call(Method::GET, "/v2.1/servers/web-1/nothing", "").await;
    assert_eq!(
        path.body,
        json!({"itemNotFound": {"code": 404, "message": "The resource could not be found."}})
    );

    let reader = house.key(crate::house::PROJECT, Role::Reader).await;
    let request = house.request(Method::POST, "/v2/web/servers/web-1/action");
    let elsewhere = answer(request.basic_auth(&reader.id, Some(&reader.secret)).body(NOVNC)).await;
    assert_eq!(elsewhere.status, 400, "{:?}", elsewhere.body);
    let request = house.request(Method::POST, "/v2/lab/servers/web-1/action");
    let reading = answer(request.basic_auth(&reader.id, Some(&reader.secret)).body(NOVNC)).await;
    let message = "Policy doesn't allow os_compute_api:os-remote-consoles to be performed.";
    assert_eq!(reading.body, json!({"forbidden": {"code": 403, "message": message}}));
}

#[tokio::test]
async fn who_does_not_log_in_is_told_where_to() {
    let house = House::start().await;
    let answer = answer(house.request(Method::GET, "/v2.1/servers").header("x-auth-token", "guess")).await;
    let message = "The request you have made requires authentication.";
    assert_eq!(answer.status, 401);
    assert_eq!(answer.body, json!({"error": {"code": 401, "title": "Unauthorized", "message": message}}));
    assert_eq!(answer.header("www-authenticate"), format!("Keystone uri=\"{}/identity\"", house.url));
    assert!(answer.header("x-compute-request-id").starts_with("req-"));
    assert_eq!(answer.header("x-compute-request-id"), answer.header("x-request-id"));
    let token = house.token(&house.member).await;
    let twice = house.request(Method::GET, "/v2.1/servers").header("x-auth-token", &token);
    assert_eq!(crate::house::answer(twice.header("x-auth-token", &token)).await.status, 401);
    let rackspace = crate::house::answer(house.request(Method::GET, "/v2/lab/servers")).await;
    assert_eq!(rackspace.body, json!({"unauthorized": {"code": 401, "message": message}}));
}

#[tokio::test]
async fn a_guesser_is_told_to_wait_and_the_right_proof_still_passes() {
    let mut config = Config::default();
    config.limits.failed_authentications = 1;
    config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let house = House::start_with(config, Tls::Off).await;
    let from = |request: reqwest::RequestBuilder| request.header("x-forwarded-for", "192.0.2.7");
    let guess = || from(house.request(Method::GET, "/v2/lab/servers").header("x-auth-token", "guess"));
    let mut limited = answer(guess()).await;
    for _ in 0..3 {
        limited = answer(guess()).await;
    }
    assert_eq!((limited.status, limited.header("retry-after")), (413, "1"));
    let fault = &limited.body["overLimit"];
    assert_eq!((&fault["code"], &fault["message"]), (&json!(413), &json!("OverLimit Retry...")));
    assert!(fault["retryAt"].is_string());
    let token = house.token(&house.member).await;
    let right =
        answer(from(house.request(Method::GET, "/v2/lab/servers").header("x-auth-token", token))).await;
    assert_eq!(right.status, 200);
}

#[tokio::test]
async fn a_broken_row_is_our_fault_and_a_broken_database_is_unavailable() {
    let house = House::start().await;
    house.sql("UPDATE instances SET status = 'nonsense'").await;
    let ours = house.action(RUNNING, NOVNC).await;
    assert_eq!(ours.status, 500);
    let message = "Unexpected API Error. Please contact the administrator";
    assert_eq!(ours.body, json!({"computeFault": {"code": 500, "message": message}}));
    house.sql("ALTER TABLE instances RENAME TO gone").await;
    let away = house.action(RUNNING, NOVNC).await;
    assert_eq!((away.status, away.header("retry-after")), (503, "1"), "{:?}", away.body);
    assert_eq!(away.body["serviceUnavailable"]["code"], 503);
}

#[tokio::test]
async fn microversions_are_read_and_told_by_both_headers() {
    let house = House::start().await;
    let member = &house.member;
    let ask = |path: &str, name: &str, value: &str| {
        let request = house.request(Method::GET, path).basic_auth(&member.id, Some(&member.secret));
        answer(request.header(name, value))
    };
    let old = ask("/v2.1/servers/detail", "x-openstack-nova-api-version", "2.5").await;
    assert_eq!(old.header("openstack-api-version"), "compute 2.5");
    assert_eq!(old.header("x-openstack-nova-api-version"), "2.5");
    assert_eq!(old.body["servers"][0]["flavor"]["id"], "machine");
    let new = ask("/compute/v2.1/servers/detail", "openstack-api-version", "compute latest").await;
    assert_eq!(new.header("openstack-api-version"), "compute 2.104");
    assert_eq!(new.body["servers"][0]["flavor"]["original_name"], "machine");
    let high = ask("/v2.1/servers", "openstack-api-version", "compute 2.999").await;
    let message = "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.104.";
    assert_eq!(high.body, json!({"computeFault": {"code": 406, "message": message}}));
    let broken = ask("/v2.1/servers", "openstack-api-version", "compute abc").await;
    let message = "API Version String abc is of invalid format. Must be of format MajorNum.MinorNum.";
    assert_eq!(broken.body, json!({"badRequest": {"code": 400, "message": message}}));
    let rackspace = ask("/v2/lab/servers", "openstack-api-version", "compute abc").await;
    assert_eq!((rackspace.status, rackspace.header("openstack-api-version")), (200, ""));
}

#[tokio::test]
async fn remote_consoles_come_with_2_6_and_tell_what_there_is_not() {
    let house = House::start().await;
    let member = &house.member;
    let ask = |version: &str, protocol: &str, kind: &str| {
        let request = house.request(Method::POST, "/v2.1/servers/web-1/remote-consoles");
        let request = request.basic_auth(&member.id, Some(&member.secret));
        let body = json!({"remote_console": {"protocol": protocol, "type": kind}});
        answer(request.header("openstack-api-version", format!("compute {version}")).json(&body))
    };
    assert_eq!(ask("2.5", "vnc", "novnc").await.status, 404);
    for kind in ["novnc", "xvpvnc"] {
        let opened = ask("2.6", "vnc", kind).await;
        assert_eq!((opened.status, &opened.body["remote_console"]["type"]), (200, &json!(kind)));
    }
    for (version, protocol, kind, message) in [
        ("2.6", "vnc", "spice-html5", "Invalid console type spice-html5"),
        ("2.6", "spice", "novnc", "Unavailable console type novnc."),
        ("2.8", "mks", "webmks", "Unavailable console type webmks."),
        (
            "2.6",
            "mks",
            "webmks",
            "Invalid input for field/attribute protocol. Value: mks. 'mks' is not one of ['vnc', 'spice', 'serial', 'rdp']",
        ),
    ] {
        let refused = ask(version, protocol, kind).await;
        assert_eq!(refused.body, json!({"badRequest": {"code": 400, "message": message}}));
    }
}

#[tokio::test]
async fn an_administrator_looks_a_console_token_up_without_using_it() {
    let mut config = Config::default();
    config.links.openstack.uses = 1;
    let house = House::start_with(config, Tls::Off).await;
    let admin = house.key(crate::house::PROJECT, Role::Admin).await;
    let url = house.console("xvpvnc").await;
    let (_, token) = url.split_once("token=").unwrap();
    let ask = |key: &crate::house::Key, version: &str, token: &str| {
        let request = house.request(Method::GET, &format!("/v2.1/os-console-auth-tokens/{token}"));
        let request = request.basic_auth(&key.id, Some(&key.secret));
        answer(request.header("openstack-api-version", format!("compute {version}")))
    };
    for _ in 0..2 {
        let found = ask(&admin, "2.31", token).await;
        assert_eq!(found.status, 200);
        assert_eq!(found.body["console"]["instance_uuid"], RUNNING);
        assert_eq!(found.body["console"]["host"], "127.0.0.1");
        assert!(found.body["console"]["port"].is_u64());
        assert!(found.body["console"]["internal_access_path"].is_null());
    }
    assert_eq!(ask(&admin, "2.30", token).await.status, 400);
    assert_eq!(ask(&house.member, "2.31", token).await.status, 403);
    let stranger = house.key("other", Role::Admin).await;
    for (key, token) in [(&stranger, token), (&admin, "00000000-0000-0000-0000-000000000000")] {
        let missing = ask(key, "2.31", token).await;
        assert_eq!(missing.body, json!({"itemNotFound": {"code": 404, "message": "Token not found"}}));
    }
}

#[tokio::test]
async fn lists_are_paged_and_filtered_as_clients_ask() {
    let house = House::start().await;
    let ids = async |query: &str| {
        let answer = house.call(Method::GET, &format!("/v2.1/servers{query}"), "").await;
        let ids = answer.body["servers"].as_array().cloned().unwrap_or_default();
        let ids: Vec<String> = ids.iter().map(|server| server["id"].as_str().unwrap().to_owned()).collect();
        (ids.join(" "), answer)
    };
    assert_eq!(ids("").await.0, "web-1 web-2");
    assert_eq!(ids("?status=SHUTOFF").await.0, "web-2");
    assert_eq!(ids("?name=%5Eweb-1%24&deleted=False").await.0, "web-1");
    assert_eq!(ids("?deleted=True").await.0, "");
    let (first, answer) = ids("?limit=1").await;
    assert_eq!(first, "web-1");
    let next = answer.body["servers_links"][0]["href"].as_str().unwrap();
    assert_eq!(next, format!("{}/v2.1/servers?limit=1&marker=web-1", house.url));
    assert_eq!(ids("?limit=1&marker=web-1").await.0, "web-2");
    // The link repeats the request's query and project.
    let path = "/v2.1/lab/servers/detail?limit=1&name=web&marker=";
    let filtered = house.call(Method::GET, path.trim_end_matches("&marker="), "").await;
    let next = format!("{}{path}web-1", house.url);
    assert_eq!(filtered.body["servers_links"][0]["href"], next);
    let itself = filtered.body["servers"][0]["links"][0]["href"].as_str().unwrap();
    assert_eq!(itself, format!("{}/v2.1/lab/servers/web-1", house.url));
    assert_eq!(ids("?marker=nothing").await.1.body["badRequest"]["message"], "marker [nothing] not found");
    assert_eq!(ids("?limit=x").await.1.status, 400);
    let shown = house.call(Method::GET, "/v2.1/servers/web-2", "").await;
    assert_eq!(shown.body["server"]["status"], "SHUTOFF");
    assert_eq!(house.call(Method::GET, "/v2.1/flavors/detail?is_public=None", "").await.status, 200);
    assert_eq!(house.call(Method::GET, "/v2.1/flavors/machine", "").await.body["flavor"]["id"], "machine");
}

#[tokio::test]
async fn a_list_that_is_longer_than_an_answer_says_where_it_goes_on() {
    let house = House::start().await;
    let clone = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
        INSERT INTO instances (uid, project_id, id, name, status, endpoint, endpoint_by_project, created_at, updated_at) \
        SELECT printf('00000000-0000-7000-8000-%012d', i), project_id, printf('more-%04d', i), name, status, endpoint, \
        endpoint_by_project, created_at, updated_at FROM instances, n WHERE id = 'web-1'";
    house.sql(clone).await;
    let ids = async |path: &str| {
        let answer = house.call(Method::GET, path, "").await;
        let count = answer.body["servers"].as_array().unwrap().len();
        (count, answer.body["servers_links"][0]["href"].as_str().map(str::to_owned))
    };
    // The limit is Nova's `[api] max_limit`.
    let (count, next) = ids("/v2.1/servers").await;
    assert_eq!(count, 1000);
    let next = next.unwrap();
    assert_eq!(next, format!("{}/v2.1/servers?marker=more-1000", house.url));
    assert_eq!(ids(next.strip_prefix(&house.url).unwrap()).await, (2, None));
}

#[tokio::test]
async fn compute_answers_under_every_root_that_clients_use() {
    let house = House::start().await;
    let project =
        house.server.app().access.project(&crate::house::operator(), crate::house::PROJECT).await.unwrap().id;
    for root in ["/v2.1", "/v2.1/lab", &format!("/v2.1/{project}"), "/v2/lab", &format!("/v2/{project}")] {
        for root in [root.to_owned(), format!("/compute{root}")] {
            let opened = house.call(Method::POST, &format!("{root}/servers/{RUNNING}/action"), NOVNC).await;
            assert_eq!((opened.status, &opened.body["console"]["type"]), (200, &json!("novnc")), "{root}");
            let shown = house.call(Method::GET, &format!("{root}/servers/{RUNNING}"), "").await;
            assert_eq!(shown.body["server"]["id"], RUNNING, "{root}");
        }
    }
}

#[tokio::test]
async fn every_reply_of_compute_carries_a_request_id_of_its_own() {
    let house = House::start().await;
    let mut seen = std::collections::BTreeSet::new();
    let action = |id: &str| format!("/v2.1/servers/{id}/action");
    let large = " ".repeat(300_000);
    for (method, path, body, status) in [
        (Method::POST, action(RUNNING), NOVNC, 200),
        (Method::GET, "/compute".to_owned(), "", 200),
        (Method::GET, "/compute/x".to_owned(), "", 300),
        (Method::POST, action(RUNNING), "{}", 400),
        (Method::GET, "/v2.1/nowhere/servers".to_owned(), "", 400),
        (Method::POST, action("nothing"), NOVNC, 404),
        (Method::GET, "/v2.1/servers/web-1/nothing".to_owned(), "", 404),
        (Method::DELETE, action(RUNNING), "", 405),
        (Method::POST, action(STOPPED), NOVNC, 409),
        (Method::POST, action(RUNNING), &large, 413),
    ] {
        let answer = house.call(method.clone(), &path, body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let id = answer.header("x-compute-request-id").to_owned();
        assert!(id.starts_with("req-") && id.len() == 40, "{method} {path}: {id:?}");
        assert!(seen.insert(id), "{method} {path}: the id of another call");
    }
}
