//! A client of the native API.

use std::fmt;

use http::{HeaderMap, Method};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use transom_config::Config;

use crate::wait::within;

/// A client of the native API.
#[derive(Clone)]
pub struct Api {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) login: Login,
}

/// A client's credentials.
#[derive(Clone)]
pub(crate) enum Login {
    /// The operator's token, or a text in its place.
    Bearer(String),
    /// An access key's id and secret.
    Key(Key),
    /// No credentials.
    Nobody,
}

/// An access key.
#[derive(Clone)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// A secret of the key.
    pub secret: String,
}

/// A granted console.
#[derive(Clone)]
pub struct Console {
    /// Its URL.
    pub url: String,
    /// The token in that URL.
    pub token: String,
    /// The grant's id.
    pub grant: String,
}

/// A response.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Api {
    /// A client of the same server with this key.
    #[must_use]
    pub fn with_key(&self, key: &Key) -> Self {
        Self { login: Login::Key(key.clone()), ..self.clone() }
    }

    /// A client of the same server with this bearer token.
    #[must_use]
    pub fn with_bearer(&self, token: &str) -> Self {
        Self { login: Login::Bearer(token.to_owned()), ..self.clone() }
    }

    /// A client of the same server without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self { login: Login::Nobody, ..self.clone() }
    }

    /// A request that the caller can extend.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.login {
            Login::Bearer(token) => request.bearer_auth(token),
            Login::Key(key) => request.basic_auth(&key.id, Some(&key.secret)),
            Login::Nobody => request,
        }
    }

    /// Sends a `GET`.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    /// Sends a `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    /// Sends a `PATCH` with a JSON body.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    /// Sends a `DELETE`.
    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    /// Creates a project.
    pub async fn add_project(&self, name: &str) {
        self.post("/api/v1/projects", json!({ "name": name })).await.done();
    }

    /// Creates an access key.
    pub async fn add_key(&self, project: &str, role: &str) -> Key {
        let made = self.post("/api/v1/keys", json!({ "project": project, "name": role, "role": role })).await;
        let made = made.done();
        Key { id: text(&made, "id"), secret: text(&made, "secret") }
    }

    /// Adds an instance. Returns its id.
    pub async fn add_instance(&self, project: &str, body: Value) -> String {
        text(&self.post(&format!("/api/v1/projects/{project}/instances"), body).await.done(), "id")
    }

    /// Requests a console. Returns the response.
    pub async fn try_console(&self, project: &str, instance: &str, body: Value) -> Answer {
        self.post(&format!("/api/v1/projects/{project}/instances/{instance}/console"), body).await
    }

    /// Requests a console, which must succeed.
    pub async fn console(&self, project: &str, instance: &str, body: Value) -> Console {
        let made = self.try_console(project, instance, body).await.done();
        let url = text(&made, "url");
        let token = url.split_once("token=").expect("a console URL carries a token").1.to_owned();
        Console { token, grant: text(&made, "link"), url }
    }

    /// Exchanges a token or a resume ticket, as the page does.
    pub async fn exchange(&self, body: Value) -> Answer {
        self.anonymous().post("/console/exchange", body).await
    }

    /// The newest session.
    pub async fn newest_session(&self) -> Value {
        self.get("/api/v1/sessions?limit=1").await.done()["items"][0].clone()
    }

    /// The value of a metric, or 0 if it is absent. `line` is the name with its labels as in the
    /// text format.
    pub async fn metric(&self, line: &str) -> f64 {
        let text = self.get("/metrics").await.text;
        let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(' '));
        found.map_or(0.0, |value| value.parse().expect("a number"))
    }
}

/// Sends a request and reads the whole response.
pub async fn send(request: RequestBuilder) -> Answer {
    within("an answer of the server", async {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("the answer is whole") }
    })
    .await
}

/// The text of a member.
#[must_use]
pub fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("{member} is no text in {value}")).to_owned()
}

impl Answer {
    /// The body, which must be JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    /// The body of a success. Returns `null` for an empty body.
    pub fn done(&self) -> Value {
        assert!((200..300).contains(&self.status), "refused: {} {}", self.status, self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }
}

impl fmt::Display for Answer {
    /// Writes `401 token-unknown: This console link is not valid.`, or the status alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)?;
        let Ok(body) = serde_json::from_str::<Value>(&self.text) else { return Ok(()) };
        match (body["error"]["code"].as_str(), body["error"]["message"].as_str()) {
            (Some(code), Some(message)) => write!(f, " {code}: {message}"),
            _ => Ok(()),
        }
    }
}

/// A configuration from TOML, as an operator writes it.
#[must_use]
pub fn config(toml: &str) -> Config {
    Config::parse(toml).expect("a configuration")
}
