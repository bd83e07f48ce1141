//! In front of an existing Nova: another Transom plays the Nova, and the consoles are its own
//! instances'.

use std::net::Ipv4Addr;

use axum::http::{HeaderName, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use transom_app::inventory::instances::InstanceInput;
use transom_app::{AuditQuery, Page};
use transom_config::{Config, TlsFiles, Vencrypt};
use transom_model::access_key::Role;
use transom_server::Tls;
use transom_testkit::certificate::Authority;
use transom_testkit::chromium::Visit;
use transom_testkit::log;
use transom_testkit::process::PATIENCE;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::house::{House, RUNNING, answer, operator};
use crate::viewer::Viewer;

const KNOWN: &str = "transom_cloud_lookups_total{what=\"console-token\",outcome=\"known\"}";
const UNKNOWN: &str = "transom_cloud_lookups_total{what=\"console-token\",outcome=\"unknown\"}";
const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// Returns the configuration of a Transom in front of this Nova, with more lines at its beginning.
async fn in_front_of(nova: &House, targets: &str, more: &str) -> Config {
    let admin = nova.key(crate::house::PROJECT, Role::Admin).await;
    let secret = nova.data.path().join("openstack.secret");
    std::fs::write(&secret, format!("{}\n", admin.secret)).unwrap();
    let ca = nova.server.ca().map(|ca| format!("ca_file = {:?}\n", ca.display().to_string()));
    let text = format!(
        "{more}\n[openstack]\nnova_url = \"{0}/v2.1\"\nnova_targets = [{targets}]\n\
         [openstack.admin]\nauth_url = \"{0}/v3\"\napplication_credential_id = \"{1}\"\nsecret_file = {2:?}\n{3}",
        nova.url,
        admin.id,
        secret.display().to_string(),
        ca.unwrap_or_default(),
    );
    Config::parse(&text).unwrap()
}

const LOOPBACK: &str = "\"127.0.0.0/8\"";

async fn nova_and_front() -> (House, House) {
    let nova = House::start().await;
    let config = in_front_of(&nova, LOOPBACK, "").await;
    let front = House::start_with(config, Tls::Off).await;
    (nova, front)
}

/// Returns the token of a console that the Nova has issued.
async fn token(nova: &House) -> String {
    nova.console("xvpvnc").await.split_once("token=").unwrap().1.to_owned()
}

async fn exchange(front: &House, body: Value) -> crate::house::Answer {
    answer(front.request(Method::POST, "/console/exchange").json(&body)).await
}

/// Returns the status of a WebSocket's opening.
async fn websocket(front: &House, path: &str, ticket: Option<&str>) -> u16 {
    let request = front.request(Method::GET, path).header("connection", "Upgrade");
    let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
    let mut request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    if let Some(ticket) = ticket {
        request = request.header("sec-websocket-protocol", format!("binary, transom.ticket.{ticket}"));
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_of_an_existing_nova_opens_in_every_way() {
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    for (tls, database) in [(Tls::Off, None), (Tls::SelfSigned, Some(postgres))] {
        let nova = House::start_with(Config::default(), tls).await;
        let config = in_front_of(&nova, LOOPBACK, "").await;
        let front = House::start_on(database, config, Tls::Off).await;
        let token = token(&nova).await;
        let viewer = Viewer::connect(front.server.address(), &token).await.unwrap();
        assert_eq!(
            viewer.name,
            Viewer::connect(nova.server.address(), &token).await.err().unwrap_or_else(|| viewer.name.clone())
        );
        let path = format!("/websockify?token={token}");
        assert_eq!(websocket(&front, &path, None).await, 101);
        let head = front.request(Method::HEAD, &format!("/console?token={token}")).send().await.unwrap();
        assert_eq!(head.status(), 200);
        let exchanged = exchange(&front, json!({ "token": token })).await;
        assert_eq!((exchanged.status, &exchanged.body["instance"]["id"]), (200, &json!(RUNNING)));
        let ticket = exchanged.body["ticket"].as_str().unwrap();
        assert_eq!(websocket(&front, "/console/session", Some(ticket)).await, 101);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nova_is_asked_at_every_connect_and_running_sessions_go_on() {
    let (nova, front) = nova_and_front().await;
    let token = token(&nova).await;
    let ticket =
        exchange(&front, json!({ "token": token })).await.body["ticket"].as_str().unwrap().to_owned();
    let _running = Viewer::connect(front.server.address(), &token).await.unwrap();
    let _again = Viewer::connect(front.server.address(), &token).await.unwrap();
    assert_eq!(front.metric(KNOWN), 3);
    // Our own login there expires, too.
    nova.sql("DELETE FROM api_tokens").await;
    drop(Viewer::connect(front.server.address(), &token).await.unwrap());

    let grants = nova.server.app().consoles.grants(&operator(), Page::first(10), true).await.unwrap();
    nova.server.app().consoles.revoke_grant(&operator(), grants[0].grant.id).await.unwrap();
    let refused = Viewer::connect(front.server.address(), &token).await.err().unwrap();
    assert_eq!(refused, "HTTP/1.1 401 Not Authorized");
    assert_eq!(
        front.request(Method::HEAD, &format!("/console?token={token}")).send().await.unwrap().status(),
        401
    );
    // A page that already has its ticket is looked up as well.
    let came_back = exchange(&front, json!({ "ticket": ticket })).await;
    let ticket = came_back.body["ticket"].as_str().unwrap().to_owned();
    assert_eq!(websocket(&front, "/console/session", Some(&ticket)).await, 401);
    front.open_sessions(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_leads_only_where_the_list_allows() {
    let log = log::capture();
    let nova = House::start().await;
    for (targets, outcome) in [("", None), ("\"127.0.0.0/8:1\"", None), ("\"127.0.0.1/32\"", Some(()))] {
        let config = in_front_of(&nova, targets, "").await;
        let front = House::start_with(config, Tls::Off).await;
        let opened = Viewer::connect(front.server.address(), &token(&nova).await).await;
        if let Err(reason) = &opened {
            assert_eq!(reason, "Transom is not allowed to connect to the machine's address.");
        }
        assert_eq!(opened.ok().map(drop), outcome, "{targets}");
    }
    assert!(log.text().contains("the existing Nova returned it: add it to [openstack] nova_targets"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_compute_hosts_vnc_server_may_want_tls() {
    let authority = Authority::new();
    let (served, shown) = (authority.issue("compute"), authority.issue("gateway"));
    let xvnc = tokio::task::spawn_blocking(move || Xvnc::start(Security::TlsAlone(&served))).await.unwrap();
    let nova = House::start().await;
    let endpoint = Some(xvnc.endpoint().parse().unwrap());
    nova.changes(RUNNING, InstanceInput { endpoint, ..InstanceInput::default() }).await;
    let mut config = in_front_of(&nova, LOOPBACK, "").await;
    let plain = House::start_with(config.clone(), Tls::Off).await;
    let refused = Viewer::connect(plain.server.address(), &token(&nova).await).await.err().unwrap();
    assert!(
        refused.starts_with("The VNC server offers no security type that Transom supports."),
        "{refused}"
    );
    let client = Some(TlsFiles { cert: shown.cert, key: shown.key });
    for (ca, outcome) in [(authority.ca().to_owned(), Ok(())), (Authority::new().ca().to_owned(), Err(()))] {
        config.openstack.nova_vencrypt = Some(Vencrypt { ca, client: client.clone() });
        let front = House::start_with(config.clone(), Tls::Off).await;
        let opened = Viewer::connect(front.server.address(), &token(&nova).await).await;
        assert_eq!(opened.map(drop).map_err(drop), outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_sessions_and_metrics_show_such_a_console_and_an_operator_ends_it() {
    let (nova, front) = nova_and_front().await;
    let token = token(&nova).await;
    let viewer = Viewer::connect(front.server.address(), &token).await.unwrap();
    let app = front.server.app();
    let session = front.open_sessions(1).await.remove(0);
    assert_eq!(session.instance.as_str(), RUNNING);
    let project = app.access.project(&operator(), "nova").await.unwrap();
    assert_eq!(session.project, project.id);
    let records = front.audit(AuditQuery { grant: Some(session.grant), ..AuditQuery::default() }).await;
    let told: Vec<_> = records
        .iter()
        .map(|record| (record.action.as_str(), record.dialect.as_str(), record.target.as_str()))
        .collect();
    assert_eq!(told, [("link.create", "openstack", RUNNING), ("session.start", "openstack", RUNNING)]);
    assert_eq!(records[0].project, Some(project.id));
    assert_eq!(front.metric("transom_links_total{dialect=\"openstack\",outcome=\"opened\"}"), 1);
    // The instance is outside the inventory.
    let instances =
        front.server.app().inventory.instances(&operator(), "nova", Page::first(10)).await.unwrap();
    assert!(instances.is_empty());

    // Its grant can be revoked here, whatever the Nova answers about the token.
    app.consoles.revoke_grant(&operator(), session.grant).await.unwrap();
    viewer.ended().await;
    let refused = Viewer::connect(front.server.address(), &token).await.err().unwrap();
    assert_eq!(refused, "HTTP/1.1 401 Not Authorized");
    let head = front.request(Method::HEAD, &format!("/console?token={token}")).send().await.unwrap();
    assert_eq!(head.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_opens_the_page_of_an_existing_novas_console_and_comes_back_to_it() {
    let xvnc = tokio::task::spawn_blocking(|| Xvnc::start(Security::None)).await.unwrap();
    let (nova, front) = nova_and_front().await;
    let endpoint = Some(xvnc.endpoint().parse().unwrap());
    nova.changes(RUNNING, InstanceInput { endpoint, ..InstanceInput::default() }).await;
    // The Nova's own clients get this URL, except for the address, which that Nova's operator
    // configures.
    let url = nova.console("novnc").await.replace(&nova.url, &front.url);
    tokio::task::spawn_blocking(move || {
        Visit::to(&url).typing("hello\n").with(["--reload"]).run();
        xvnc.typed().expect("hello\n", PATIENCE);
    })
    .await
    .unwrap();
    assert_eq!(front.metric(KNOWN), 3, "at the exchange, at the WebSocket, and at the page's next WebSocket");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_looks_like_a_token_is_asked_about_and_misses_are_limited_per_source() {
    let nova = House::start().await;
    let more = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[limits]\nunknown_tokens_per_minute = 2";
    let front = House::start_with(in_front_of(&nova, LOOPBACK, more).await, Tls::Off).await;
    let from = async |source: &str, token: &str| {
        let head = front.request(Method::HEAD, &format!("/console?token={token}"));
        head.header("x-forwarded-for", source).send().await.unwrap().status().as_u16()
    };
    let good = token(&nova).await;
    for shape in
        ["x", &"a".repeat(36), &NOBODYS.replace('-', ""), &format!("{{{NOBODYS}}}"), "..%2F..%2Fservers"]
    {
        assert_eq!(from("203.0.113.5", shape).await, 401, "{shape}");
    }
    assert_eq!(front.metric(UNKNOWN), 0, "no token here is a UUID");
    for _ in 0..5 {
        assert_eq!(from("203.0.113.5", &good).await, 200, "a caller with known tokens is not limited");
    }
    assert_eq!([from("203.0.113.5", NOBODYS).await, from("203.0.113.5", NOBODYS).await], [401, 401]);
    assert_eq!(from("203.0.113.5", NOBODYS).await, 429);
    assert_eq!(front.metric(UNKNOWN), 2);
    assert_eq!(from("203.0.113.6", &good).await, 200, "another source");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nova_that_is_gone_or_silent_is_told_from_a_bad_token_in_bounded_time() {
    let nova = House::start().await;
    let mut config = in_front_of(&nova, LOOPBACK, "").await;
    let token = token(&nova).await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    // It accepts connections, and does not answer.
    config.openstack.nova_url =
        Some(format!("http://{}/v2.1", listener.local_addr().unwrap()).parse().unwrap());
    let front = House::start_with(config.clone(), Tls::Off).await;
    let refused = Viewer::connect(front.server.address(), &token).await.err().unwrap();
    assert_eq!(refused, "HTTP/1.1 503 Service Unavailable");
    drop(listener);
    let exchanged = exchange(&front, json!({ "token": token })).await;
    assert_eq!((exchanged.status, &exchanged.body["error"]["code"]), (503, &json!("cloud-unavailable")));
    // The answer of a wrong URL is no answer about a token, either.
    config.openstack.nova_url = Some(format!("{}/nowhere", nova.url).parse().unwrap());
    let front = House::start_with(config.clone(), Tls::Off).await;
    let log = log::capture();
    let told = async |front: &House| {
        let failed = exchange(front, json!({ "token": token })).await;
        assert_eq!(failed.status, 503);
        let (id, text) = (failed.header("x-request-id"), log.text());
        text.lines().find(|line| line.contains("WARN") && line.contains(id)).unwrap().to_owned()
    };
    let nowhere = told(&front).await;
    let expected = format!("lookup of a console token at Nova ({}/nowhere): it answered 404", nova.url);
    assert!(nowhere.contains(&expected) && nowhere.contains("check [openstack] nova_url"), "{nowhere}");
    // The secret is read at each login, so it can be changed while we run.
    let secret = config.openstack.admin.secret_file.clone().unwrap();
    config.openstack.nova_url = Some(format!("{}/v2.1", nova.url).parse().unwrap());
    let front = House::start_with(config, Tls::Off).await;
    std::fs::remove_file(&secret).unwrap();
    assert!(told(&front).await.contains(&format!("cannot read {}: ", secret.display())));
    std::fs::write(&secret, "wrong").unwrap();
    let wrong = told(&front).await;
    assert!(wrong.contains("it answered 401 Unauthorized: check the login in [openstack.admin]"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_login_at_the_cloud_follows_no_redirect() {
    let nova = House::start().await;
    let mut config = in_front_of(&nova, LOOPBACK, "").await;
    let token = token(&nova).await;
    // If it were asked, it would get the administrator's token.
    let elsewhere = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let place = format!("http://{}/", elsewhere.local_addr().unwrap());
    let moved = move || {
        let place = place.clone();
        async move { (StatusCode::TEMPORARY_REDIRECT, [(HeaderName::from_static("location"), place)]) }
    };
    let router = Router::new().route("/v2.1/os-console-auth-tokens/{token}", get(moved));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await });
    config.openstack.nova_url = Some(format!("http://{address}/v2.1").parse().unwrap());
    let front = House::start_with(config, Tls::Off).await;
    let exchanged = exchange(&front, json!({ "token": token })).await;
    assert_eq!((exchanged.status, &exchanged.body["error"]["code"]), (503, &json!("cloud-unavailable")));
    let asked = futures_util::FutureExt::now_or_never(elsewhere.accept());
    assert!(asked.is_none_or(|asked| asked.is_err()), "it was asked");
}

/// Starts a Nova with only the needed calls: it returns the same console for every token.
async fn nova_that_tells(console: Value) -> (String, JoinSet<std::io::Result<()>>) {
    let log_in = || async {
        let body = json!({"token": {"expires_at": "2999-01-01T00:00:00.000000Z"}});
        (StatusCode::CREATED, [(HeaderName::from_static("x-subject-token"), "T")], Json(body))
    };
    let router = Router::new().route("/v3/auth/tokens", post(log_in)).route(
        "/v2.1/os-console-auth-tokens/{token}",
        get(move || async move { Json(json!({ "console": console })) }),
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await });
    (url, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_access_path_is_asked_for_by_connect_at_the_target() {
    // Another Transom plays the hypervisor, with all its consoles at one port.
    let hypervisor = House::start().await;
    let port = hypervisor.server.address().port();
    let path = format!("/console?token={}", token(&hypervisor).await);
    for (path, outcome) in [
        (path.as_str(), Ok("Transom")),
        ("/console?token=wrong", Err("its access path: HTTP/1.1 401 Not Authorized")),
        ("/console", Err("its access path: HTTP/1.1 400 Invalid Request")),
    ] {
        let console = json!({"instance_uuid": NOBODYS, "host": "127.0.0.1", "port": port, "internal_access_path": path});
        let (nova, _serving) = nova_that_tells(console).await;
        let mut config = in_front_of(&hypervisor, LOOPBACK, "").await;
        config.openstack.nova_url = Some(format!("{nova}/v2.1").parse().unwrap());
        config.openstack.admin.auth_url = Some(format!("{nova}/v3").parse().unwrap());
        let front = House::start_with(config, Tls::Off).await;
        let opened = Viewer::connect(front.server.address(), NOBODYS).await;
        match (opened, outcome) {
            (Ok(viewer), Ok(name)) => assert!(viewer.name.contains(name), "{}", viewer.name),
            (Err(reason), Err(kept)) => {
                assert_eq!(reason, "The VNC server refused the session.");
                let records = front.audit(AuditQuery::default()).await;
                let failed = records.iter().rfind(|record| record.action == "session.fail").unwrap();
                assert_eq!(failed.detail.as_deref(), Some(kept));
            }
            (opened, _) => panic!("{:?}", opened.map(|viewer| viewer.name)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_nova_names_wrongly_is_none() {
    for host in ["10.0.0.1:5900", "a b", "", "evil.example/x"] {
        let console =
            json!({"instance_uuid": NOBODYS, "host": host, "port": 5900, "internal_access_path": null});
        let (nova, _serving) = nova_that_tells(console).await;
        let other = House::start().await;
        let mut config = in_front_of(&other, LOOPBACK, "").await;
        config.openstack.nova_url = Some(format!("{nova}/v2.1").parse().unwrap());
        config.openstack.admin.auth_url = Some(nova.parse().unwrap());
        let front = House::start_with(config, Tls::Off).await;
        let refused = Viewer::connect(front.server.address(), NOBODYS).await.err().unwrap();
        assert_eq!(refused, "HTTP/1.1 503 Service Unavailable", "{host:?}");
    }
}
