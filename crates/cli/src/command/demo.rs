//! `transom demo`: a server in a temporary folder, a test desktop, and a console URL for it.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use transom_config::Config;
use transom_desktop::{Desktop, VncPassword};
use transom_model::api::{ConsoleBody, InstanceBody, KeySecretBody, ProjectBody};
use transom_server::{Options, Server, Tls};

use super::serve::{self, Signals, raise_descriptor_limit, start_log};
use crate::args::{Common, Demo};
use crate::client::Client;
use crate::failure::Failure;
use crate::{browser, output};

/// The usual port of noVNC.
const PORT: u16 = 6080;
const NAME: &str = "demo";
/// The desktop's password. The gateway has it, so a viewer of the console does not need it.
const PASSWORD: &str = "curtain";
/// The validity of the links: a day, in seconds.
const TTL: u64 = 24 * 3600;

pub(crate) async fn run(common: &Common, demo: Demo) -> Result<(), Failure> {
    start_log("warn");
    raise_descriptor_limit();
    let desktop = Desktop::with_password(VncPassword::new(PASSWORD))
        .bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| Failure::ours(format_args!("the test desktop cannot start: {error}")))?;
    // The key and the token in the folder are for this user alone, whatever the umask.
    let private = Permissions::from_mode(0o700);
    let folder = tempfile::Builder::new().prefix("transom-demo-").permissions(private).tempdir();
    let folder = folder.map_err(Failure::ours)?;
    let listener = listen(demo.listen)?;
    let options = Options {
        data: folder.path().to_owned(),
        config: Config::default(),
        database: None,
        tls: Tls::Off,
        master_key: None,
    };
    let server = Server::start(options, listener).await.map_err(Failure::theirs)?;
    let (console, key) = furnish(&server, desktop.local_addr()).await?;
    let signals = Signals::listen()?;
    if common.json {
        let server = &server.admin().server;
        let (data, key) = (folder.path(), json!({ "id": key.id, "secret": key.secret }));
        output::json(&json!({ "server": server, "data": data, "console": console, "key": key }))?;
    } else {
        introduce(&server, folder.path(), &console, &key)?;
    }
    if !demo.no_open {
        browser::open(&console.url);
    }
    signals.wait().await;
    server.stop().await;
    desktop.shutdown().await;
    Ok(())
}

/// Listens on the usual port, or on any free one if it is taken.
fn listen(wanted: Option<SocketAddr>) -> Result<TcpListener, Failure> {
    match wanted {
        Some(wanted) => serve::listen(wanted),
        None => serve::listen((Ipv4Addr::LOCALHOST, PORT).into())
            .or_else(|_| serve::listen((Ipv4Addr::LOCALHOST, 0).into())),
    }
}

/// Creates project, key, instance and console, through the API that everybody uses.
async fn furnish(server: &Server, desktop: SocketAddr) -> Result<(ConsoleBody, KeySecretBody), Failure> {
    let client = Client::operator(server.admin())?;
    let _: ProjectBody = client.send(Method::POST, "/api/v1/projects", &json!({ "name": NAME })).await?;
    let instance = json!({
        "id": NAME, "name": "Test desktop", "endpoint": format!("vnc://{desktop}"), "password": PASSWORD,
    });
    let instances = format!("/api/v1/projects/{NAME}/instances");
    let _: InstanceBody = client.send(Method::POST, &instances, &instance).await?;
    let key = json!({ "project": NAME, "name": NAME });
    let key = client.send(Method::POST, "/api/v1/keys", &key).await?;
    let reusable: Value = json!({ "ttl_seconds": TTL, "uses": 0 });
    let console = client.send(Method::POST, &format!("{instances}/{NAME}/console"), &reusable).await?;
    Ok((console, key))
}

fn introduce(
    server: &Server,
    data: &std::path::Path,
    console: &ConsoleBody,
    key: &KeySecretBody,
) -> Result<(), Failure> {
    let program =
        std::env::current_exe().map_or_else(|_| "transom".to_owned(), |path| path.display().to_string());
    let (data, url) = (data.display(), &server.admin().server);
    output::say("Open this in a browser. It is valid for 24 hours:\n");
    output::line(&console.url)?;
    output::say(format_args!(
        "\nWhat to try next, in another terminal:

  # another console, view-only
  {program} console demo --project demo --view-only --data {data}

  # the open sessions; `session end ID` ends one
  {program} session list --data {data}

  # a console through Transom's own API, as a program requests it
  curl -sS -u {id}:{secret} -X POST -H 'content-type: application/json' -d '{{}}' \\
    {url}/api/v1/projects/demo/instances/demo/console

{zenlayer}

  # the same through OpenStack's client (pip install python-openstackclient)
  OS_AUTH_URL={url}/v3 OS_AUTH_TYPE=v3applicationcredential OS_APPLICATION_CREDENTIAL_ID={id} \\
    OS_APPLICATION_CREDENTIAL_SECRET={secret} openstack console url show demo

  # an address for a device, through the VNC Cloud API
  curl -sS -u {id}:{secret} -X POST -H 'content-type: application/json' -d '{{\"allowedActions\":[\"listen\"]}}' \
    {url}/cloud/1.1/static-address

Ctrl-C ends the demo and removes everything.",
        id = key.id,
        secret = key.secret,
        zenlayer = zenlayer(server, key),
    ));
    Ok(())
}

/// Returns a signed call as a shell script. The vendor's SDKs send the same.
fn zenlayer(server: &Server, key: &KeySecretBody) -> String {
    format!(
        r#"  # the same through Zenlayer's DescribeVncUrl, signed as its SDKs do
  sha() {{ openssl dgst -sha256 -r "$@" | cut -c 1-64; }}; now=$(date +%s) body='{{"instanceId":"{NAME}"}}'; \
  sum=$(printf 'POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n'$(printf "$body" | sha) | sha); \
  mac=$(printf "ZC2-HMAC-SHA256\n$now\n$sum" | sha -hmac {secret}); \
  curl -sS {url}/api/v2/zec -d "$body" -H 'content-type: application/json' -H "x-zc-timestamp: $now" \
    -H 'x-zc-version: 2025-09-01' -H 'x-zc-action: DescribeVncUrl' \
    -H "authorization: ZC2-HMAC-SHA256 Credential={id}, SignedHeaders=content-type;host, Signature=$mac""#,
        host = server.address(),
        url = server.admin().server,
        id = key.id,
        secret = key.secret,
    )
}
