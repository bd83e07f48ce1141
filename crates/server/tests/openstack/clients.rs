//! Unmodified clients: the `openstack` and `nova` commands, the SDK, and Rackspace's plugin.

use std::process::Output;

use reqwest::Method;
use serde_json::{Value, json};
use transom_app::inventory::instances::InstanceInput;
use transom_config::Config;
use transom_server::Tls;
use transom_testkit::chromium::Visit;
use transom_testkit::process::PATIENCE;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::house::{FOREIGN, House, PROJECT, RUNNING, STOPPED};

/// Returns the environments for each way in which the member can log in.
fn ways(house: &House) -> Vec<Vec<(&'static str, String)>> {
    let (id, secret) = (house.member.id.clone(), house.member.secret.clone());
    let at = |path: &str| format!("{}{path}", house.url);
    let text = str::to_owned;
    vec![
        vec![
            ("OS_AUTH_TYPE", text("v3applicationcredential")),
            ("OS_AUTH_URL", at("/v3")),
            ("OS_APPLICATION_CREDENTIAL_ID", id.clone()),
            ("OS_APPLICATION_CREDENTIAL_SECRET", secret.clone()),
        ],
        vec![
            ("OS_AUTH_TYPE", text("password")),
            ("OS_AUTH_URL", at("/identity")),
            ("OS_USERNAME", id.clone()),
            ("OS_PASSWORD", secret.clone()),
            ("OS_PROJECT_NAME", text(PROJECT)),
            ("OS_USER_DOMAIN_NAME", text("Default")),
            ("OS_PROJECT_DOMAIN_ID", text("default")),
        ],
        vec![
            ("OS_AUTH_TYPE", text("v2password")),
            ("OS_AUTH_URL", at("/v2.0")),
            ("OS_USERNAME", id.clone()),
            ("OS_PASSWORD", secret.clone()),
            ("OS_TENANT_NAME", text(PROJECT)),
        ],
        vec![
            ("OS_AUTH_TYPE", text("rackspace_apikey")),
            ("OS_AUTH_URL", at("/v2.0")),
            ("OS_USERNAME", id.clone()),
            ("OS_API_KEY", secret.clone()),
        ],
        vec![
            ("OS_AUTH_TYPE", text("http_basic")),
            ("OS_ENDPOINT", at("/v2.1")),
            ("OS_USERNAME", id),
            ("OS_PASSWORD", secret),
        ],
    ]
}

/// Runs every client once on this server, and returns the URLs.
async fn each_client_gets_a_url(house: &House) -> Vec<String> {
    let ways = ways(house);
    let mut urls = Vec::new();
    for (program, args, way) in [
        ("openstack", &["console", "url", "show", "--novnc", RUNNING][..], &ways[0]),
        ("openstack", &["console", "url", "show", "--xvpvnc", RUNNING], &ways[3]),
        ("nova", &["get-vnc-console", RUNNING, "novnc"], &ways[1]),
        ("nova", &["get-vnc-console", RUNNING, "xvpvnc"], &ways[2]),
        ("python", &["-c", SDK], &ways[0]),
    ] {
        urls.push(opens(house, &run(house, program, args, way).await).await);
    }
    urls
}

const SDK: &str = r#"
import openstack
print(openstack.connect(load_envvars=True).compute.create_console("web-1", console_type="novnc")["url"])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn chromium_shows_the_guest_behind_every_url_that_a_client_was_given() {
    let xvnc = tokio::task::spawn_blocking(|| Xvnc::start(Security::None)).await.unwrap();
    let house = House::start().await;
    let endpoint = Some(xvnc.endpoint().parse().unwrap());
    house.changes(RUNNING, InstanceInput { endpoint, ..InstanceInput::default() }).await;
    for (n, url) in each_client_gets_a_url(&house).await.into_iter().enumerate() {
        chromium_types(&xvnc, Visit::to(&url), format!("hello{n}")).await;
    }
}

/// Expects that a browser on this visit shows this screen, and that its typed keys arrive.
pub(crate) async fn chromium_types(xvnc: &Xvnc, visit: Visit, words: String) {
    let typed = xvnc.typed().clone();
    tokio::task::spawn_blocking(move || {
        let report = visit.typing(&words).with(["--key", "Enter"]).run();
        assert_eq!(report.size(), (640, 480), "{words}");
        typed.expect(&format!("{words}\n"), PATIENCE);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_its_urls_and_its_failures_on_postgresql() {
    let database = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    let house = House::start_on(Some(database), Config::default(), Tls::SelfSigned).await;
    for url in each_client_gets_a_url(&house).await {
        assert!(url.starts_with("https://"), "{url}");
    }
    the_sdks_outcomes_are_as_documented(&house).await;
}

async fn run(house: &House, program: &str, args: &[&str], way: &[(&'static str, String)]) -> Output {
    let way: Vec<_> = way.iter().map(|(name, value)| (*name, value.as_str())).collect();
    house.run(program, args, &way).await
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Returns the URL that a command printed, and expects that it opens.
async fn opens(house: &House, output: &Output) -> String {
    let text = told(output);
    assert!(output.status.success(), "{text}");
    let url =
        text.split_whitespace().find(|word| word.starts_with("http")).unwrap_or_else(|| panic!("{text}"));
    let path = url.strip_prefix(&house.url).unwrap();
    assert_eq!(house.request(Method::HEAD, path).send().await.unwrap().status(), 200, "{url}");
    url.to_owned()
}

/// Logs in in each way. The command takes some seconds each time, so each type has a test of its
/// own.
async fn every_way_opens(tls: Tls, kind: &str) {
    let house = House::start_with(Config::default(), tls).await;
    for way in ways(&house) {
        opens(&house, &run(&house, "openstack", &["console", "url", "show", kind, RUNNING], &way).await)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_command_logs_in_by_every_way_and_gets_novnc() {
    every_way_opens(Tls::Off, "--novnc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_command_logs_in_by_every_way_and_gets_xvpvnc() {
    every_way_opens(Tls::Off, "--xvpvnc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_command_logs_in_by_every_way_over_tls() {
    every_way_opens(Tls::SelfSigned, "--xvpvnc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_command_asks_as_of_old_and_lists_servers() {
    let house = House::start().await;
    let way = &ways(&house)[0];
    let old = ["--os-compute-api-version", "2.1", "console", "url", "show", "--xvpvnc", RUNNING];
    opens(&house, &run(&house, "openstack", &old, way).await).await;
    let list = run(&house, "openstack", &["server", "list", "-f", "csv"], way).await;
    let text = told(&list);
    assert!(
        text.contains("\"web-1\",\"web-1\",\"ACTIVE\"") && text.contains("\"web-2\",\"web-2\",\"SHUTOFF\""),
        "{text}"
    );
    assert!(!text.contains(FOREIGN));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_command_tells_each_failure() {
    let house = House::start().await;
    let mut way = ways(&house).swap_remove(0);
    for (server, sentence) in [
        (STOPPED, "Cannot 'get_vnc_console' instance web-2 while it is in vm_state stopped (HTTP 409)"),
        ("nothing", "No Server found for nothing"),
        (FOREIGN, "No Server found for theirs"),
    ] {
        let failed = run(&house, "openstack", &["console", "url", "show", server], &way).await;
        let text = told(&failed);
        let said = text.contains(sentence.trim_end_matches(" (HTTP 409)"))
            || text.contains("No server with a name or ID");
        assert!(!failed.status.success() && said, "{text}");
    }
    way.retain(|(name, _)| *name != "OS_APPLICATION_CREDENTIAL_SECRET");
    way.push(("OS_APPLICATION_CREDENTIAL_SECRET", "guess".to_owned()));
    let failed = run(&house, "openstack", &["console", "url", "show", RUNNING], &way).await;
    assert!(
        told(&failed).contains("The request you have made requires authentication. (HTTP 401)"),
        "{}",
        told(&failed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_and_nova_commands_write_metadata() {
    let house = House::start().await;
    let ways = ways(&house);
    // Upstream's keys are ASCII.
    let odd = ["server", "set", "--property", "role=db", "--property", "über=x", RUNNING];
    let refused = run(&house, "openstack", &odd, &ways[0]).await;
    let why = "does not match any of the regexes";
    assert!(!refused.status.success() && told(&refused).contains(why), "{}", told(&refused));
    for (program, args, way, left) in [
        (
            "openstack",
            &["server", "set", "--property", "role=db", "--property", "owner=Zoë", RUNNING][..],
            0,
            json!({"owner": "Zoë", "role": "db"}),
        ),
        (
            "nova",
            &["meta", RUNNING, "set", "rack=7", "role=web"],
            1,
            json!({"owner": "Zoë", "rack": "7", "role": "web"}),
        ),
        ("nova", &["meta", RUNNING, "delete", "owner"], 2, json!({"rack": "7", "role": "web"})),
        ("openstack", &["server", "unset", "--property", "rack", RUNNING], 3, json!({"role": "web"})),
        ("openstack", &["server", "unset", "--all-properties", RUNNING], 4, json!({})),
    ] {
        let output = run(&house, program, args, &ways[way]).await;
        assert!(output.status.success(), "{program} {args:?}: {}", told(&output));
        let shown = ["server", "show", "-f", "json", "-c", "properties", RUNNING];
        let shown = run(&house, "openstack", &shown, &ways[0]).await;
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        assert_eq!(shown["properties"], left, "{program} {args:?}");
    }
}

async fn nova_gets(kind: &str) {
    let house = House::start().await;
    let ways = ways(&house);
    // Rackspace's /v2 has no microversions, and novaclient knows that.
    for (way, versions) in [(&ways[1], &["2.1", "2.5", "2.6", "2.latest"][..]), (&ways[2], &["2.latest"])] {
        for version in versions {
            let args = ["--os-compute-api-version", version, "get-vnc-console", RUNNING, kind];
            opens(&house, &run(&house, "nova", &args, way).await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nova_command_gets_novnc_at_every_microversion() {
    nova_gets("novnc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nova_command_gets_xvpvnc_at_every_microversion() {
    nova_gets("xvpvnc").await;
}

/// Asks for a console with novaclient and with the SDK, and prints the error of each. `FROM` is the
/// address that it comes from.
const FAULT: &str = r#"
import os
import openstack
import openstack.exceptions
from keystoneauth1.exceptions import HttpError
from novaclient import client, exceptions

cloud = openstack.connect(load_envvars=True)
cloud.session.additional_headers["X-Forwarded-For"] = os.environ.get("FROM", "127.0.0.1")
cloud.compute.default_microversion = "2.5"
nova = client.Client("2.1", session=cloud.session)
server, kind = os.environ["SERVER"], os.environ["KIND"]
for attempt in range(int(os.environ.get("TIMES", "1"))):
    said = []
    try:
        nova.servers.get_vnc_console(server, kind)
    except (exceptions.ClientException, HttpError) as error:
        said.append("nova %s %s" % (getattr(error, "code", None) or error.http_status, error.message))
    try:
        cloud.compute.get_server_console_url(server, kind)
    except (openstack.exceptions.HttpException, HttpError) as error:
        said.append("sdk %s %s" % (getattr(error, "status_code", None) or error.http_status, getattr(error, "details", error.message)))
response = cloud.session.put("/servers/%s/action" % server, endpoint_filter={"service_type": "compute"}, raise_exc=False)
print("\n".join(said))
print("put", response.status_code, response.json())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_and_novaclient_tell_every_documented_fault() {
    let mut config = Config::default();
    config.limits.failed_authentications = 1;
    config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let house = House::start_with(config, Tls::Off).await;
    let reader = house.key(crate::house::PROJECT, transom_model::access_key::Role::Reader).await;
    let with = |id: &str, secret: &str, more: &[(&'static str, &str)]| {
        let mut way = vec![
            ("OS_AUTH_TYPE", "http_basic".to_owned()),
            ("OS_ENDPOINT", format!("{}/v2.1", house.url)),
            ("OS_USERNAME", id.to_owned()),
            ("OS_PASSWORD", secret.to_owned()),
            ("SERVER", RUNNING.to_owned()),
            ("KIND", "novnc".to_owned()),
        ];
        way.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        way
    };
    let tells = async |way: Vec<(&'static str, String)>, status: &str, sentence: &str| {
        let output = run(&house, "python", &["-c", FAULT], &way).await;
        let text = told(&output);
        for client in ["nova", "sdk"] {
            let line = format!("{client} {status} {sentence}");
            assert!(text.lines().any(|told| told.starts_with(&line)), "{line} is missing in:\n{text}");
        }
        text
    };
    let (id, secret) = (house.member.id.as_str(), house.member.secret.as_str());
    let spice = with(id, secret, &[("KIND", "spice-html5")]);
    let text = tells(spice, "400", "Unavailable console type spice-html5.").await;
    assert!(text.contains("put 405 {'badMethod': {'code': 405,"), "{text}");
    tells(with(id, "guess", &[]), "401", "The request you have made requires authentication.").await;
    tells(
        with(&reader.id, &reader.secret, &[]),
        "403",
        "Policy doesn't allow os_compute_api:os-remote-consoles",
    )
    .await;
    tells(with(id, secret, &[("SERVER", "nothing")]), "404", "Instance nothing could not be found.").await;
    tells(with(id, secret, &[("SERVER", STOPPED)]), "409", "Cannot 'get_vnc_console' instance web-2").await;
    tells(with(id, "guess", &[("FROM", "192.0.2.7"), ("TIMES", "3")]), "413", "OverLimit Retry...").await;
    house.sql("UPDATE instances SET status = 'nonsense'").await;
    tells(with(id, secret, &[]), "500", "Unexpected API Error.").await;
    house.sql("ALTER TABLE instances RENAME TO gone").await;
    tells(with(id, secret, &[]), "503", "The service is unavailable.").await;
}

/// Prints the type, status and sentence of each outcome of both SDK calls, and of novaclient's
/// exceptions.
const OUTCOMES: &str = r#"
import os
import openstack
from novaclient import client, exceptions

cloud = openstack.connect(load_envvars=True)
print("create", cloud.compute.create_console("web-1", console_type="novnc")["url"])
print("action", cloud.compute.get_server_console_url("web-1", "xvpvnc")["url"])
for server, kind in [("web-2", "novnc"), ("nothing", "novnc"), ("web-1", "spice-html5")]:
    try:
        cloud.compute.get_server_console_url(server, kind)
    except openstack.exceptions.HttpException as error:
        print("sdk", server, kind, error.status_code, error.details)
nova = client.Client("2.1", session=cloud.session)
print("nova", nova.servers.get_vnc_console("web-1", "xvpvnc")["console"]["url"])
for server, kind in [("web-2", "xvpvnc"), ("theirs", "xvpvnc")]:
    try:
        nova.servers.get_vnc_console(server, kind)
    except exceptions.ClientException as error:
        print("nova", server, kind, type(error).__name__, error.code, error.message)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_and_novaclient_get_urls_and_the_documented_exceptions() {
    the_sdks_outcomes_are_as_documented(&House::start().await).await;
}

async fn the_sdks_outcomes_are_as_documented(house: &House) {
    let output = run(house, "python", &["-c", OUTCOMES], &ways(house)[0]).await;
    let text = told(&output);
    assert!(output.status.success(), "{text}");
    for line in [
        "create http".to_owned(),
        "action http".to_owned(),
        "nova http".to_owned(),
        format!(
            "sdk {STOPPED} novnc 409 Cannot 'get_vnc_console' instance web-2 while it is in vm_state stopped"
        ),
        "sdk nothing novnc 404 Instance nothing could not be found.".to_owned(),
        "sdk web-1 spice-html5 404 The resource could not be found.".to_owned(),
        format!("nova {STOPPED} xvpvnc Conflict 409 Cannot 'get_vnc_console' instance web-2"),
        format!("nova {FOREIGN} xvpvnc NotFound 404 Instance theirs could not be found."),
    ] {
        assert!(text.lines().any(|told| told.starts_with(&line)), "{line} is missing in:\n{text}");
    }
}
