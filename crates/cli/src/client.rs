//! Talks to a server's native API, as the operator or as an access key.

use std::io;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use transom_agent::trust;
use transom_model::api::{ErrorBody, List};
use transom_model::secret::Secret;
use transom_server::data::{Admin, DataError, read_admin};

use crate::args::Common;
use crate::failure::Failure;

/// The time for a connection. A server that needs longer counts as unreachable.
const CONNECT: Duration = Duration::from_secs(10);
/// The time for an answer. The server answers within 30 seconds or not at all.
const ANSWER: Duration = Duration::from_secs(35);
/// The name of this program in the server's audit.
const PROGRAM: &str = concat!("transom/", env!("CARGO_PKG_VERSION"));
/// The number of items in each page of a list.
const PAGE: usize = 1000;

/// A server, and the credentials for it.
pub(crate) struct Client {
    http: reqwest::Client,
    server: String,
    proof: Proof,
    /// A possible cause if the server refuses the credentials.
    doubt: Option<&'static str>,
    naming: Naming,
}

/// The names by which messages refer to the members of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// The flags of the command line.
    Flags,
    /// The API's own names, as in a file that the user wrote.
    Members,
}

enum Proof {
    Token(Secret),
    Key(String, Secret),
}

impl Client {
    /// Finds the server and the token: `--server` and `TRANSOM_TOKEN`, or the file that `transom
    /// serve` writes to the data folder.
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        let path = common.data.join("admin.json");
        let admin = match read_admin(&path) {
            Ok(admin) => Some(admin),
            Err(DataError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::theirs(error)),
        };
        let token = std::env::var("TRANSOM_TOKEN").ok().filter(|token| !token.is_empty());
        let server = common.server.as_ref().map(|server| server.as_str().trim_end_matches('/').to_owned());
        let Some(server) = server.or_else(|| admin.as_ref().map(|admin| admin.server.clone())) else {
            return Err(Failure::theirs(format_args!("no server is known: there is no file {}", path.display()))
                .with_next_step("Start one with `transom serve`, or specify one: --data DIR, or --server URL with TRANSOM_TOKEN."));
        };
        // The operator's token is sent only to the server that it belongs to.
        let admin = admin.filter(|admin| admin.server == server);
        let doubt = (token.is_some() && admin.is_some()).then_some(
            "TRANSOM_TOKEN is set and was used. Without it, the command uses the data folder's admin.json.",
        );
        let proof = match (token, &admin) {
            (Some(token), _) => Proof::read(token),
            (None, Some(admin)) => Proof::Token(Secret::new(admin.token.clone())),
            (None, None) => {
                return Err(Failure::theirs(format_args!("no token is known for {server}")).with_next_step(
                    "Set TRANSOM_TOKEN to the operator's token, or to KEY-ID:SECRET of an access key.",
                ));
            }
        };
        Ok(Self { doubt, ..Self::with(server, proof, admin.as_ref())? })
    }

    /// A client with the operator's credentials for this server.
    pub(crate) fn operator(admin: &Admin) -> Result<Self, Failure> {
        Self::with(admin.server.clone(), Proof::Token(Secret::new(admin.token.clone())), Some(admin))
    }

    fn with(server: String, proof: Proof, admin: Option<&Admin>) -> Result<Self, Failure> {
        let mut builder =
            reqwest::Client::builder().user_agent(PROGRAM).connect_timeout(CONNECT).timeout(ANSWER);
        if let Some(ca) = admin.and_then(|admin| admin.ca.as_ref()) {
            let pem = std::fs::read(ca)
                .map_err(|error| Failure::theirs(format_args!("cannot read {}: {error}", ca.display())))?;
            let wrong =
                |error: &dyn std::fmt::Display| Failure::theirs(format_args!("{}: {error}", ca.display()));
            let certificates = trust::certificates(&pem).map_err(|error| wrong(&error))?;
            let named = trust::NamedCertificates::new(certificates).map_err(|error| wrong(&error))?;
            builder = builder.tls_backend_preconfigured(trust::client_config(named).map_err(Failure::ours)?);
        }
        if !reqwest::Url::parse(&server).is_ok_and(|server| goes_through_proxies(&server)) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(Failure::ours)?;
        Ok(Self { http, server, proof, doubt: None, naming: Naming::Flags })
    }

    /// The same client for requests from a file: messages use the API's names.
    pub(crate) fn naming_members(self) -> Self {
        Self { naming: Naming::Members, ..self }
    }

    /// Gets a resource.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// Gets all pages of a list.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let mut page = format!("{path}{joint}limit={PAGE}");
            if let Some(after) = &after {
                page.push_str(&format!("&after={}", escape(after)));
            }
            let mut list: List<T> = self.read(&page).await?;
            items.append(&mut list.items);
            match list.next {
                Some(next) => after = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// Sends a body and returns the answer.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        self.call(method, path, Some(body)).await
    }

    /// Removes a resource. Returns the answer: the removed resource, or the number of links and
    /// sessions that ended with it.
    pub(crate) async fn remove<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::DELETE, path, None::<&()>).await
    }

    /// Performs an action that needs no body, and returns its answer.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call(Method::POST, path, None::<&()>).await
    }

    /// Performs an action that has no answer.
    pub(crate) async fn act(&self, method: Method, path: &str) -> Result<(), Failure> {
        self.answer(method, path, None::<&()>).await.map(drop)
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let bytes = self.answer(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::theirs(format_args!("{} did not answer as a Transom server does: {error}", self.server))
        })
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Vec<u8>, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.server));
        request = match &self.proof {
            Proof::Token(token) => request.bearer_auth(token.expose()),
            Proof::Key(id, secret) => request.basic_auth(id, Some(secret.expose())),
        };
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        if status.is_success() { Ok(bytes.to_vec()) } else { Err(self.refused(status, &bytes, path)) }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let failure = Failure::theirs(format_args!("cannot reach the server at {}: {cause}", self.server));
        failure.with_next_step(if self.server.starts_with("https://") {
            "Is `transom serve` running there, with TLS? Without it, the URL begins with http://."
        } else {
            "Is `transom serve` running there?"
        })
    }

    fn refused(&self, status: StatusCode, body: &[u8], path: &str) -> Failure {
        let Ok(ErrorBody { error }) = serde_json::from_slice::<ErrorBody>(body) else {
            return Failure::theirs(format_args!("{} answered {status}", self.server));
        };
        let message = match self.naming {
            Naming::Flags => in_flags(path, &error.message),
            Naming::Members => error.message.clone(),
        };
        let sentence = format!("{message} (request {})", error.request_id);
        let failure = if status.is_server_error() && error.code == "internal-error" {
            Failure::ours(sentence)
        } else {
            Failure::theirs(sentence)
        };
        let doubt = self.doubt.filter(|_| status == StatusCode::UNAUTHORIZED);
        let failure = match error.next_step.as_deref().or(doubt).or_else(|| listing(&error.message)) {
            Some(next_step) => failure.with_next_step(next_step),
            None => failure,
        };
        failure.with_detail(serde_json::to_value(&error).unwrap_or_default())
    }
}

impl Proof {
    /// Reads a token. A colon separates an access key's id and secret; the operator's token
    /// contains none.
    fn read(token: String) -> Self {
        match token.split_once(':') {
            Some((id, secret)) => Self::Key(id.to_owned(), Secret::new(secret)),
            None => Self::Token(Secret::new(token)),
        }
    }
}

/// Replaces the name of a refused member with the flag that the user typed.
fn in_flags(path: &str, message: &str) -> String {
    let flag = |(member, problem): (&str, &str)| Some(format!("{}: {problem}", flag(path, member)?));
    message.split_once(": ").and_then(flag).unwrap_or_else(|| message.to_owned())
}

fn flag(path: &str, member: &str) -> Option<&'static str> {
    Some(match member.split('[').next().unwrap_or(member) {
        "ttl_seconds" => "--ttl",
        "ends_after_seconds" => "--ends-after",
        "uses" => "--uses",
        "kind" => "--kind",
        "view_only" => "--view-only",
        "name" if path != "/api/v1/projects" => "--name",
        "role" => "--role",
        "status" => "--status",
        "endpoint" => "--endpoint",
        "moved" => "--moved",
        "username" => "--username",
        "password" => "--password-file",
        "ca" => "--ca",
        "certificate" => "--cert",
        "fingerprint" => "--fingerprint",
        "headers" => "--header-file",
        "for_ticket_holder" => "--for-ticket-holder",
        "key" if path.ends_with("/accept-key") => "--device-key",
        "key" => "--key",
        "project" => "--project",
        "to_key" => "--to-key",
        "action" => "--action",
        "group" | "groups" => "--group",
        "allow_groups" => "--allow-group",
        "allow_addresses" => "--allow-address",
        "count" => "--count",
        "names" => "--name or --names",
        "replace" => "--replace",
        "request" => "--request",
        "reason" => "--reason",
        "source" => "--source",
        _ => return None,
    })
}

/// Returns the command that lists the objects of the kind that was not found.
fn listing(message: &str) -> Option<&'static str> {
    Some(match message.strip_suffix(" not found")? {
        "project" => "To list them: transom project list",
        "instance" => "To list them: transom instance list --project P",
        "token" => "To list them: transom token list",
        "access key" => "To list them: transom key list",
        "cloud address" => "To list them: transom address list",
        "link" => "To list them: transom link list --all",
        "link of this token" => {
            "It was mistyped or cut off, another server created it, or it is older than [retention] links."
        }
        "session" => "To list them: transom session list",
        _ => return None,
    })
}

/// Escapes a text for one segment of a path or one value of a query.
pub(crate) fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// Returns whether requests may go through a proxy that the environment names. A proxy can read the
/// token unless it only tunnels TLS, and this machine reaches itself without one.
fn goes_through_proxies(server: &reqwest::Url) -> bool {
    let here = server.host_str().is_some_and(|host| {
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    });
    server.scheme() == "https" && !here
}
