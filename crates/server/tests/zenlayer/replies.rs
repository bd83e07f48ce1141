//! The effects of the configuration, and the other ways to call.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use transom_config::Config;

use crate::house::{House, Plan, RUNNING};
use crate::viewer;
use crate::wire::{VNC_URL, Wire};

fn body() -> String {
    format!("{{\"instanceId\":\"{RUNNING}\"}}")
}

async fn url(house: &House) -> String {
    let answer = Wire::new(house, VNC_URL, body()).signed(&house.member).send(house).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.checked_id();
    answer.body["url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn one_line_of_configuration_makes_urls_good_for_one_use() {
    let config = Config::parse("[links.zenlayer]\nuses = 1").unwrap();
    let house = House::start_with(Plan { config, ..Plan::default() }).await;
    let url = url(&house).await;
    assert!(viewer::open(&url, None).await.is_ok());
    assert_eq!(viewer::open(&url, None).await, Err(401));
}

#[tokio::test]
async fn the_default_is_ten_minutes_and_any_number_of_uses() {
    let house = House::start().await;
    url(&house).await;
    let page = transom_app::Page::first(1);
    let grants = house.server.app().consoles.grants(&crate::house::operator(), page, false).await.unwrap();
    let grant = &grants[0].grant;
    assert_eq!((grant.uses, grant.uses_left), (None, None));
    assert_eq!(grant.expires_at.0 - grant.created_at.0, 600_000_000);
}

#[tokio::test]
async fn urls_begin_with_the_public_url() {
    let config = Config::parse("[http]\npublic_url = \"https://console.example\"").unwrap();
    let house = House::start_with(Plan { config, ..Plan::default() }).await;
    let url = url(&house).await;
    let token = url.strip_prefix("https://console.example/console?token=").unwrap();
    assert!(token.len() >= 43 && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
}

#[tokio::test]
async fn http_2_is_spoken_and_its_authority_is_what_was_signed() {
    let house = House::start().await;
    let wire = Wire::new(&house, VNC_URL, body()).signed(&house.member);
    let io = TokioIo::new(TcpStream::connect(house.address()).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(connection);
    for (authority, expected) in [(house.address().to_string(), 200), ("other.example".to_owned(), 401)] {
        let mut request = http::Request::post(format!("http://{authority}{}", wire.path));
        for (name, value) in wire.headers.iter().filter(|(name, _)| name != "Host") {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(wire.body.clone()))).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), expected, "{authority}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(serde_json::from_slice::<Value>(&body).unwrap()["requestId"].is_string());
    }
}
