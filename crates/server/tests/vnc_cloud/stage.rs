//! A running server with two access keys, and a caller of its API.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use transom_config::Config;
use transom_server::{Options, Server, Tls};

/// A well-formed address that was never issued.
pub(crate) const NOBODY: &str =
    "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";

const PUBLIC: &str = "[http]\npublic_url = \"https://cloud.example\"";

pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) url: String,
    pub(crate) key: Key,
    pub(crate) http: reqwest::Client,
    _folder: TempDir,
}

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A completely read answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A request under construction.
pub(crate) struct Ask<'a> {
    stage: &'a Stage,
    request: reqwest::RequestBuilder,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::start_on(None, PUBLIC).await
    }

    /// Starts a stage behind a proxy of this machine.
    pub(crate) async fn start_behind_a_proxy() -> Self {
        Self::start_on(None, &format!("{PUBLIC}\ntrusted_proxies = [\"127.0.0.1/32\"]")).await
    }

    /// Starts one stage on each database.
    pub(crate) async fn both() -> [Self; 2] {
        let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
        [Self::start().await, Self::start_on(Some(postgres), PUBLIC).await]
    }

    async fn start_on(database: Option<String>, config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            data: folder.path().to_owned(),
            config: Config::parse(config).unwrap(),
            database,
            tls: Tls::Off,
            master_key: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server::start(options, listener).await.unwrap();
        let url = format!("http://{}", server.address());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let nobody = Key { id: String::new(), secret: String::new() };
        let mut stage = Self { server, url, key: nobody, http, _folder: folder };
        stage.native("projects", serde_json::json!({"name": "lab"})).await;
        stage.key = stage.another_key("member").await;
        stage
    }

    pub(crate) async fn another_key(&self, role: &str) -> Key {
        let made = self.native("keys", serde_json::json!({"project": "lab", "role": role})).await;
        Key { id: made["id"].as_str().unwrap().into(), secret: made["secret"].as_str().unwrap().into() }
    }

    async fn native(&self, path: &str, body: Value) -> Value {
        let token = self.server.admin().token.clone();
        let request = self.http.post(format!("{}/api/v1/{path}", self.url)).bearer_auth(token);
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        answer.json().await.unwrap()
    }

    /// Returns a request with the stage's key to a path below `/cloud/`.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        self.ask_as(&self.key, method, path)
    }

    pub(crate) fn ask_as(&self, key: &Key, method: &str, path: &str) -> Ask<'_> {
        let ask = self.ask_as_nobody(method, path);
        let request = ask.request.basic_auth(&key.id, Some(&key.secret));
        Ask { request, ..ask }
    }

    pub(crate) fn ask_as_nobody(&self, method: &str, path: &str) -> Ask<'_> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Ask { stage: self, request: self.http.request(method, format!("{}/cloud/{path}", self.url)) }
    }

    pub(crate) async fn create(&self, body: &str) -> Answer {
        self.ask("POST", "1.1/static-address").json(body).send().await
    }

    /// Creates an address, and returns it with its password.
    pub(crate) async fn address(&self, body: &str) -> (String, String) {
        let made = self.create(body).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.value();
        (made["cloudAddress"].as_str().unwrap().into(), made["cloudPassword"].as_str().unwrap().into())
    }

    pub(crate) async fn get(&self, address: &str) -> Answer {
        self.ask("GET", &format!("1.1/static-address/{address}")).send().await
    }

    pub(crate) async fn put(&self, address: &str, body: &str) -> Answer {
        self.ask("PUT", &format!("1.1/static-address/{address}")).json(body).send().await
    }
}

impl Ask<'_> {
    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        Self { request: self.request.header(HeaderName::from_static(name), value), ..self }
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub(crate) fn body(self, body: &str) -> Self {
        Self { request: self.request.body(body.to_owned()), ..self }
    }

    /// Sends the request, and checks the rules for every answer of this API.
    pub(crate) async fn send(self) -> Answer {
        let answer = self.request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await.unwrap();
        let answer = Answer { status, headers, body };
        // G8, G16, G18: JSON or an empty body, and errors with exactly the two members.
        if !answer.body.is_empty() {
            assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
            let value = answer.value();
            let members = value.as_object().unwrap();
            if !status.is_success() {
                assert_eq!(members.keys().collect::<Vec<_>>(), ["errorCode", "errorMessage"], "{answer:?}");
                assert!(value["errorCode"].is_u64() && value["errorMessage"].is_string());
            }
        }
        // C20: no answer shows a secret of ours.
        assert!(!answer.body.contains(&self.stage.key.secret));
        answer
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Returns the status, and the documented code if there is one.
    pub(crate) fn outcome(&self) -> (u16, Option<u64>) {
        let code = if self.body.is_empty() { None } else { self.value()["errorCode"].as_u64() };
        (self.status.as_u16(), code)
    }
}

/// Returns a JSON list of this many group names.
pub(crate) fn groups(count: usize) -> String {
    serde_json::to_string(&(0..count).map(|n| format!("group {n}")).collect::<Vec<_>>()).unwrap()
}

/// Returns a JSON list of this many addresses that do not exist.
pub(crate) fn addresses(count: usize) -> String {
    serde_json::to_string(&(0..count).map(|n| [&*format!("{n:019}"); 4].join(".")).collect::<Vec<_>>())
        .unwrap()
}
