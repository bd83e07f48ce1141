//! A server with a test desktop behind it, a project, and keys.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use transom_app::inventory::instances::InstanceInput;
use transom_app::metrics::Now;
use transom_app::{AuditQuery, Call, Caller, Page};
use transom_config::Config;
use transom_desktop::{Desktop, RunningDesktop};
use transom_model::access_key::Role;
use transom_model::audit::{AuditRecord, Origin};
use transom_model::dialect::Dialect;
use transom_model::id::RequestId;
use transom_model::instance::InstanceStatus;
use transom_model::session::{Session, SessionState};
use transom_server::{Options, Server, Tls};
use uuid::Uuid;

/// The limit for an operation that works.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const PROJECT: &str = "lab";
pub(crate) const RUNNING: &str = "web-1";
pub(crate) const STOPPED: &str = "web-2";
/// An instance of another project.
pub(crate) const FOREIGN: &str = "theirs";

pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) url: String,
    pub(crate) data: TempDir,
    pub(crate) member: Key,
    http: reqwest::Client,
    _desktop: RunningDesktop,
}

pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default(), Tls::Off).await
    }

    pub(crate) async fn start_with(config: Config, tls: Tls) -> Self {
        Self::start_on(None, config, tls).await
    }

    /// Starts a server with its durable state in this database instead of SQLite.
    pub(crate) async fn start_on(database: Option<String>, config: Config, tls: Tls) -> Self {
        let desktop = Desktop::new().bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let data = TempDir::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let options = Options { data: data.path().to_owned(), config, database, tls, master_key: None };
        let server = Server::start(options, listener).await.unwrap();
        let app = server.app();
        let endpoint = || Some(format!("vnc://{}", desktop.local_addr()).parse().unwrap());
        for (project, id, status) in [
            (PROJECT, RUNNING, InstanceStatus::Running),
            (PROJECT, STOPPED, InstanceStatus::Stopped),
            ("other", FOREIGN, InstanceStatus::Running),
        ] {
            let call = operator();
            // The project already exists for its second instance.
            let _ = app.access.create_project(&call, &project.parse().unwrap()).await;
            let input =
                InstanceInput { endpoint: endpoint(), status: Some(status), ..InstanceInput::default() };
            app.inventory.create_instance(&call, project, Some(id.parse().unwrap()), input).await.unwrap();
        }
        let url = server.url().to_owned();
        let mut http = reqwest::Client::builder();
        if let Some(ca) = server.ca() {
            let pem = std::fs::read(ca).unwrap();
            http = http.tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()]);
        }
        let mut house = Self {
            member: Key { id: String::new(), secret: String::new() },
            http: http.build().unwrap(),
            _desktop: desktop,
            server,
            url,
            data,
        };
        house.member = house.key(PROJECT, Role::Member).await;
        house
    }

    pub(crate) async fn key(&self, project: &str, role: Role) -> Key {
        let (key, secret) =
            self.server.app().access.create_key(&operator(), project, "test", role).await.unwrap();
        Key { id: key.id.to_string(), secret: secret.expose().to_owned() }
    }

    pub(crate) async fn token(&self, key: &Key) -> String {
        let id = key.id.parse().unwrap();
        let hour = std::time::Duration::from_secs(3600);
        let (_, token) = self.server.app().access.issue_token_for(&operator(), &id, hour).await.unwrap();
        token.expose().to_owned()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Makes a call with the member's key.
    pub(crate) async fn call(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = self.request(method, path).basic_auth(&self.member.id, Some(&self.member.secret));
        answer(request.header("content-type", "application/json").body(body.to_owned())).await
    }

    pub(crate) async fn action(&self, server: &str, body: &str) -> Answer {
        self.call(Method::POST, &format!("/v2.1/servers/{server}/action"), body).await
    }

    /// Returns the open sessions once there are this many. Records that no caller waits for are
    /// written a moment later.
    pub(crate) async fn open_sessions(&self, count: usize) -> Vec<Session> {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let counted = async {
            loop {
                look.tick().await;
                let sessions =
                    self.server.app().consoles.sessions(&operator(), Page::first(10), true).await.unwrap();
                let live = sessions.iter().all(|session| session.state != SessionState::Reserved);
                if sessions.len() == count && live {
                    return sessions;
                }
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.unwrap()
    }

    /// Returns audit records.
    pub(crate) async fn audit(&self, query: AuditQuery) -> Vec<AuditRecord> {
        self.server.app().audit.audit(&operator(), query, 100).await.unwrap()
    }

    /// Returns the value of a metric's line, or 0 before it exists.
    pub(crate) fn metric(&self, line: &str) -> u64 {
        let text = self.server.app().metrics.text(Now { live_sessions: 0, tasks: 0 });
        let found = text.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(' '));
        found.map_or(0, |value| value.parse().unwrap())
    }

    /// Returns the URL of a console of this type.
    pub(crate) async fn console(&self, kind: &str) -> String {
        let answer = self.action(RUNNING, &format!(r#"{{"os-getVNCConsole":{{"type":"{kind}"}}}}"#)).await;
        answer.body["console"]["url"].as_str().unwrap().to_owned()
    }

    /// Changes an instance of the project.
    pub(crate) async fn changes(&self, instance: &str, input: InstanceInput) {
        let instance = instance.parse().unwrap();
        self.server.app().inventory.change_instance(&operator(), PROJECT, &instance, input).await.unwrap();
    }

    /// Executes a statement on the database behind the server's back.
    pub(crate) async fn sql(&self, statement: &str) {
        let program = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db: db.execute(sys.argv[2])";
        let database = self.data.path().join("transom.db");
        let mut command = Command::new("python3");
        command.args(["-c", program]).arg(database).arg(statement);
        assert!(output(command).await.status.success());
    }

    /// Runs one of the clients with this environment, as the member unless the environment names
    /// another user.
    pub(crate) async fn run(&self, program: &str, args: &[&str], environment: &[(&str, &str)]) -> Output {
        let program = repository().join("target/clients/openstack/bin").join(program);
        assert!(program.exists(), "{} is missing: scripts/setup.sh test", program.display());
        let mut command = Command::new(program);
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.data.path()).envs(environment.iter().copied());
        if let Some(ca) = self.server.ca() {
            command.env("OS_CACERT", ca);
        }
        output(command).await
    }
}

/// Runs a program to its end, beside the server.
pub(crate) async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

pub(crate) fn operator() -> Call {
    Call {
        dialect: Dialect::Openstack,
        caller: Caller::Operator,
        request: RequestId::from_uuid(Uuid::new_v4()),
        origin: Origin::default(),
    }
}

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Answer { status, headers, body }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}
