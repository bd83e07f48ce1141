//! Behind a reverse proxy that terminates TLS, configured as the operations manual says.

use reqwest::{Certificate, Client, Method, StatusCode};
use tokio::io::AsyncReadExt as _;
use transom_app::inventory::instances::InstanceInput;
use transom_config::Config;
use transom_server::Tls;
use transom_testkit::chromium::Visit;
use transom_testkit::proxy::{Kind, Port, Proxy};
use transom_testkit::xvnc::{Security, Xvnc};

use crate::clients::chromium_types;
use crate::house::{House, RUNNING};

/// The first bytes of a console: a binary frame of twelve bytes (RFC 6455 §5.2), and RFB's greeting
/// in it.
const GREETING: &[u8] = b"\x82\x0cRFB 003.008\n";

/// Returns a server that knows its public URL, and the proxy in front of it.
async fn behind(kind: Kind) -> (House, Proxy, String) {
    let port = Port::hold();
    let url = port.url();
    let config = format!("[http]\npublic_url = \"{url}\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
    let house = House::start_with(Config::parse(&config).unwrap(), Tls::Off).await;
    let server = house.server.address();
    let proxy = tokio::task::spawn_blocking(move || Proxy::start(kind, port, server)).await.unwrap();
    (house, proxy, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openstack_command_and_its_consoles_work_behind_every_proxy_of_the_manual() {
    for kind in Kind::ALL {
        let (house, proxy, url) = behind(kind).await;
        let (id, secret) = (&house.member.id, &house.member.secret);
        let ca = proxy.ca().display().to_string();
        let environment = [
            ("OS_AUTH_TYPE", "v3applicationcredential"),
            ("OS_AUTH_URL", &format!("{url}/v3")),
            ("OS_APPLICATION_CREDENTIAL_ID", id),
            ("OS_APPLICATION_CREDENTIAL_SECRET", secret),
            ("OS_CACERT", &ca),
        ];
        let show = ["console", "url", "show", "--novnc", "-f", "value", "-c", "url", RUNNING];
        let shown = house.run("openstack", &show, &environment).await;
        assert!(shown.status.success(), "{kind:?}: {}", String::from_utf8_lossy(&shown.stderr));
        let given = String::from_utf8(shown.stdout).unwrap();
        let (_, token) = given.trim().split_once(&format!("{url}/vnc_auto.html?path=%3Ftoken%3D")).unwrap();

        let pem = std::fs::read(proxy.ca()).unwrap();
        // Browsers do the same for a WebSocket: its Upgrade belongs to HTTP/1.1, and Caddy offers
        // HTTP/2 as well.
        let http = Client::builder().http1_only().tls_certs_only([Certificate::from_pem(&pem).unwrap()]);
        let http = http.build().unwrap();
        let head = |path: String| http.request(Method::HEAD, format!("{url}{path}")).send();
        assert_eq!(head(format!("/console?token={token}")).await.unwrap().status(), 200, "{kind:?}");
        assert_eq!(head(format!("/console?token={token}x")).await.unwrap().status(), 401, "{kind:?}");
        // noVNC's own page opens the root. The browser sends the page's origin, which is the public
        // URL's.
        let request = http.get(format!("{url}/?token={token}")).header("origin", &url);
        let request = request.header("connection", "Upgrade").header("upgrade", "websocket");
        let request = request.header("sec-websocket-version", "13");
        let opened = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").send().await.unwrap();
        assert_eq!(opened.status(), StatusCode::SWITCHING_PROTOCOLS, "{kind:?}");
        let mut greeting = [0; GREETING.len()];
        opened.upgrade().await.unwrap().read_exact(&mut greeting).await.unwrap();
        assert_eq!(greeting, GREETING, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_shows_the_guest_behind_every_proxy_of_the_manual() {
    let xvnc = tokio::task::spawn_blocking(|| Xvnc::start(Security::None)).await.unwrap();
    for kind in Kind::ALL {
        let (house, _proxy, url) = behind(kind).await;
        let endpoint = Some(xvnc.endpoint().parse().unwrap());
        house.changes(RUNNING, InstanceInput { endpoint, ..InstanceInput::default() }).await;
        let given = house.console("novnc").await;
        assert!(given.starts_with(&format!("{url}/")), "{given}");
        chromium_types(&xvnc, Visit::to(&given).with(["--insecure"]), format!("{kind:?}")).await;
    }
}
