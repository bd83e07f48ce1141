//! The raw CONNECT of the Java viewer, byte by byte, and the answers of `HEAD` and WebSockets for
//! the same URLs.

use reqwest::Method;
use transom_config::Config;
use transom_server::Tls;

use crate::dialled::{all, exchange};
use crate::house::House;

const OK: &str = "HTTP/1.1 200 OK\r\n\r\n";
const GREETING: &str = "RFB 003.008\n";

#[tokio::test]
async fn a_connect_is_answered_to_the_byte_however_it_is_cut() {
    for tls in [Tls::Off, Tls::SelfSigned] {
        answers_a_connect_to_the_byte(&House::start_with(Config::default(), tls).await).await;
    }
}

async fn answers_a_connect_to_the_byte(house: &House) {
    let url = house.console("xvpvnc").await;
    let target = url.strip_prefix(&house.url).unwrap();
    assert!(house.url.contains("://127.0.0.1:") && target.starts_with("/console?token="), "{url}");
    let request = format!("CONNECT {target} HTTP/1.0\r\n\r\n");
    let expected = format!("{OK}{GREETING}");
    assert_eq!(exchange(house, [request.as_bytes()], expected.len()).await, expected);
    assert_eq!(exchange(house, request.as_bytes().chunks(1), expected.len()).await, expected);
    let bare = format!("CONNECT {target} HTTP/1.1\nHost: a\n\n");
    assert_eq!(exchange(house, [bare.as_bytes()], expected.len()).await, expected);
    // Headers have no effect here, in any number and with any value, except that there is at most
    // one host.
    let headers = "Host: a\r\nX-Auth-Token: y\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX-Auth-Token: x\r\n";
    let more = format!("CONNECT {target} HTTP/1.0\r\n{headers}\r\n");
    assert_eq!(exchange(house, [more.as_bytes()], expected.len()).await, expected);
    // A second request behind the first is not a request, since RFB has begun.
    let smuggled = format!("{request}GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = String::from_utf8_lossy(&all(house, smuggled.as_bytes()).await).into_owned();
    assert!(answer.starts_with(&expected) && !answer[OK.len()..].contains("HTTP/"), "{answer}");
    // Bytes that a viewer sends directly behind its head are already RFB.
    let ahead = format!("{request}{GREETING}\u{1}");
    let expected = format!("{expected}\u{1}\u{1}\0\0\0\0");
    assert_eq!(exchange(house, [ahead.as_bytes()], expected.len()).await, expected);
}

#[tokio::test]
async fn a_connect_without_a_good_token_is_refused_as_the_old_gateway_did() {
    for tls in [Tls::Off, Tls::SelfSigned] {
        refuses_a_connect_without_a_good_token(&House::start_with(Config::default(), tls).await).await;
    }
}

async fn refuses_a_connect_without_a_good_token(house: &House) {
    let refused = |status: &str, words: &str| {
        let length = words.len();
        format!(
            "HTTP/1.1 {status} {words}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{words}"
        )
    };
    let invalid = refused("400", "Invalid Request");
    let unauthorised = refused("401", "Not Authorized");
    let long = format!("CONNECT /console?token={} HTTP/1.0\r\n\r\n", "x".repeat(1024 * 1024));
    for (request, expected) in [
        ("CONNECT /console HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /console?token= HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /elsewhere?token=T HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT example.com:25 HTTP/1.1\r\nHost: example.com:25\r\n\r\n", &invalid),
        ("CONNECT /console?token=A HTTP/1.0\r\nCONNECT /console?token=B HTTP/1.0\r\n\r\n", &invalid),
        (&long, &invalid),
        ("CONNECT  /console?token=A HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /console?token=A HTTP/1.1\r\n\r\n", &invalid),
        ("CONNECT /console?token=A HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", &invalid),
        ("CONNECT /console?token=A B HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /console?token=A HTTP/1.0\r\nno header\r\n\r\n", &invalid),
        ("CONNECT /console?token=A HTTP/1.0\r\nHost: a\r\n folded\r\n\r\n", &invalid),
        ("CONNECT /console?token=A HTTP/9.9\r\n\r\n", &invalid),
        ("CONNECT /console?token=A\0 HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /console#token=A HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /CONSOLE?token=A HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /console?TOKEN=A HTTP/1.0\r\n\r\n", &invalid),
        ("CONNECT /console?token=guess&token=guess HTTP/1.0\r\n\r\n", &unauthorised),
        ("CONNECT /console?token=%00%0d%0a HTTP/1.0\r\n\r\n", &unauthorised),
        ("CONNECT /console?token=00000000-0000-0000-0000-000000000000 HTTP/1.0\r\n\r\n", &unauthorised),
    ] {
        let answer = all(house, request.as_bytes()).await;
        assert_eq!(&String::from_utf8(answer).unwrap(), expected, "{request:.60}");
    }
    let not_text = all(house, b"CONNECT /console?token=\xff\xfe HTTP/1.0\r\n\r\n").await;
    assert!(not_text.starts_with(b"HTTP/1.1 40"), "{not_text:?}");
}

#[tokio::test]
async fn a_head_tells_whether_a_url_is_good_and_uses_nothing_up() {
    for tls in [Tls::Off, Tls::SelfSigned] {
        let mut config = Config::default();
        config.links.openstack.uses = 1;
        tells_by_head(&House::start_with(config, tls).await).await;
    }
}

async fn tells_by_head(house: &House) {
    for kind in ["novnc", "xvpvnc"] {
        let url = house.console(kind).await;
        let path = url.strip_prefix(&house.url).unwrap();
        assert!(path.contains('?'), "Horizon appends &title= to {path}");
        let head = |path: String| house.request(Method::HEAD, &path).send();
        for _ in 0..3 {
            assert_eq!(head(format!("{path}&title=web-1")).await.unwrap().status(), 200);
        }
        let wrong = path.replace(path.rsplit('-').next().unwrap(), "000000000000");
        assert_eq!(head(wrong).await.unwrap().status(), 401);
        assert_eq!(house.request(Method::GET, path).send().await.unwrap().status(), 200);
        assert_eq!(house.request(Method::DELETE, path).send().await.unwrap().status(), 405);
    }
}

#[tokio::test]
async fn novnc_urls_may_have_the_older_form() {
    let house = House::start_with(Config::parse("[openstack]\nnovnc = \"token\"").unwrap(), Tls::Off).await;
    let url = house.console("novnc").await;
    let path = url.strip_prefix(&house.url).unwrap();
    assert!(
        path.starts_with("/vnc_auto.html?token=") && path.len() == "/vnc_auto.html?token=".len() + 36,
        "{path}"
    );
    assert_eq!(house.request(Method::HEAD, path).send().await.unwrap().status(), 200);
    let page = house.request(Method::GET, path).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
}

#[tokio::test]
async fn a_url_for_the_java_viewer_may_lead_around_the_proxy_in_front() {
    let config = "[http]\npublic_url = \"https://console.example\"\n\
                  [openstack]\nxvpvnc_url = \"https://console.example:6081\"";
    let house = House::start_with(Config::parse(config).unwrap(), Tls::Off).await;
    let xvpvnc = house.console("xvpvnc").await;
    assert!(xvpvnc.starts_with("https://console.example:6081/console?token="), "{xvpvnc}");
    let novnc = house.console("novnc").await;
    assert!(novnc.starts_with("https://console.example/vnc_auto.html?path=%3Ftoken%3D"), "{novnc}");
}

#[tokio::test]
async fn a_websocket_speaks_binary_or_no_subprotocol() {
    let house = House::start().await;
    let url = house.console("novnc").await;
    let (_, token) = url.rsplit_once("%3D").unwrap();
    let open = |path: String, protocol: Option<&'static str>, origin: Option<String>| {
        let request = house.request(Method::GET, &path).header("connection", "Upgrade");
        let request = request.header("upgrade", "websocket").header("sec-websocket-version", "13");
        let mut request = request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        if let Some(protocol) = protocol {
            request = request.header("sec-websocket-protocol", protocol);
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send()
    };
    for path in ["/", "/websockify"] {
        let path = format!("{path}?token={token}");
        assert_eq!(open(path.clone(), None, None).await.unwrap().status(), 101);
        let binary = open(path.clone(), Some("base64, binary"), None).await.unwrap();
        assert_eq!(
            (binary.status().as_u16(), &binary.headers()["sec-websocket-protocol"]),
            (101, &"binary".parse().unwrap())
        );
        let unknown = open(path.clone(), Some("base64"), None).await.unwrap();
        assert_eq!(unknown.status(), 101);
        assert!(!unknown.headers().contains_key("sec-websocket-protocol"), "none that was not offered");
        let near = open(path.clone(), None, Some("http://127.0.0.1:6080".to_owned())).await.unwrap();
        assert_eq!(near.status(), 101);
    }
}
