//! Requests composed byte by byte.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::{House, Key};

/// A request.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

/// An operation: `("zec", "2025-09-01", "DescribeVncUrl")`.
pub(crate) type Operation<'a> = (&'a str, &'a str, &'a str);

pub(crate) const VNC_URL: Operation = ("zec", "2025-09-01", "DescribeVncUrl");
pub(crate) const INSTANCES: Operation = ("zec", "2025-09-01", "DescribeInstances");

impl Wire {
    /// Returns a request as the SDKs send it, not signed yet.
    pub(crate) fn new(
        house: &House,
        (service, version, action): Operation,
        body: impl Into<Vec<u8>>,
    ) -> Self {
        let headers = [
            ("Host", house.address().to_string()),
            ("Content-Type", "application/json".to_owned()),
            ("X-ZC-Version", version.to_owned()),
            ("X-ZC-Action", action.to_owned()),
            ("X-ZC-Service", service.to_owned()),
        ];
        Self {
            method: "POST".to_owned(),
            path: format!("/api/v2/{service}"),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: body.into(),
        }
    }

    pub(crate) fn signed(self, key: &Key) -> Self {
        self.signed_at(key, now())
    }

    pub(crate) fn signed_at(self, key: &Key, time: u64) -> Self {
        let hash = |bytes: &[u8]| hex::encode(digest::digest(&digest::SHA256, bytes));
        let canonical = format!(
            "{}\n/\n\ncontent-type:{}\nhost:{}\n\ncontent-type;host\n{}",
            self.method,
            self.value("content-type"),
            self.value("host"),
            hash(&self.body)
        );
        let text = format!("ZC2-HMAC-SHA256\n{time}\n{}", hash(canonical.as_bytes()));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.secret.as_bytes());
        let signature = hex::encode(hmac::sign(&secret, text.as_bytes()));
        let claims = format!("Credential={}, SignedHeaders=content-type;host, Signature={signature}", key.id);
        self.with("X-ZC-Timestamp", time.to_string())
            .with("Authorization", format!("ZC2-HMAC-SHA256 {claims}"))
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Removes a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces a header's value.
    pub(crate) fn set(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).with(name, value)
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(crate) async fn send(&self, house: &House) -> Answer {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len()));
        let (mut reading, mut writing) = TcpStream::connect(house.address()).await.unwrap().into_split();
        let send = async {
            writing.write_all(head.as_bytes()).await.unwrap();
            writing.write_all(&self.body).await.unwrap();
        };
        let mut came = Vec::new();
        let (_, read) = tokio::join!(send, reading.read_to_end(&mut came));
        read.unwrap();
        answer(&came)
    }

    /// Sends it, expects this failure in full form, and returns its request id.
    pub(crate) async fn fails(&self, house: &House, status: u16, code: &str) -> String {
        let answer = self.send(house).await;
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{answer:?}");
        let members: Vec<_> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["code", "message", "requestId"]);
        assert!(answer.body["message"].as_str().is_some_and(|message| !message.is_empty()));
        answer.checked_id()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// Returns the request id, which must have its form and be the same everywhere.
    pub(crate) fn checked_id(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
        assert_eq!(self.header("cache-control"), "no-store");
        let id = self.body["requestId"].as_str().unwrap();
        check_id(id);
        assert_eq!(self.header("x-request-id"), id);
        if let Some(inner) = self.body.get("response") {
            assert_eq!(inner["requestId"], id);
        }
        id.to_owned()
    }
}

/// Expects `T` and a UUID in capitals.
pub(crate) fn check_id(id: &str) {
    let uuid = id.strip_prefix('T').unwrap();
    assert_eq!(uuid.len(), 36, "{id}");
    assert_eq!(uuid, uuid.to_ascii_uppercase());
    uuid.parse::<uuid::Uuid>().unwrap();
}

fn answer(came: &[u8]) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let head = response.parse(came).unwrap().unwrap();
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    Answer {
        status: response.code.unwrap(),
        headers: response.headers.iter().map(|header| (header.name.to_owned(), text(header.value))).collect(),
        body: serde_json::from_slice(&came[head..]).unwrap_or(Value::Null),
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
