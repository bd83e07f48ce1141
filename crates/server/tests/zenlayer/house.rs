//! A server with a test desktop behind it, projects, instances and keys.

use std::net::{Ipv4Addr, SocketAddr};

use tempfile::TempDir;
use tokio::net::TcpListener;
use transom_app::inventory::instances::InstanceInput;
use transom_app::{AuditQuery, Call, Caller};
use transom_config::Config;
use transom_desktop::{Desktop, RunningDesktop};
use transom_model::access_key::Role;
use transom_model::audit::{AuditRecord, Origin};
use transom_model::dialect::Dialect;
use transom_model::id::RequestId;
use transom_model::instance::InstanceStatus;
use transom_server::{Options, Server, Tls};

pub(crate) const PROJECT: &str = "lab";
pub(crate) const RUNNING: &str = "web-1";
/// An instance of another project.
pub(crate) const FOREIGN: &str = "theirs";

/// A running server.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) member: Key,
    pub(crate) reader: Key,
    pub(crate) desktop: RunningDesktop,
    _data: TempDir,
}

/// An access key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The options of a start.
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) tls: Tls,
    pub(crate) database: Option<String>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { config: Config::default(), tls: Tls::Off, database: None }
    }
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_with(Plan::default()).await
    }

    pub(crate) async fn start_with(plan: Plan) -> Self {
        let Plan { config, tls, database } = plan;
        let desktop = Desktop::new().bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let data = TempDir::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let options = Options { data: data.path().to_owned(), config, database, tls, master_key: None };
        let server = Server::start(options, listener).await.unwrap();
        for project in [PROJECT, "other"] {
            server.app().access.create_project(&operator(), &project.parse().unwrap()).await.unwrap();
        }
        let member = make_key(&server, Role::Member).await;
        let reader = make_key(&server, Role::Reader).await;
        let house = Self { server, member, reader, desktop, _data: data };
        house.instance(PROJECT, RUNNING, "First", InstanceStatus::Running).await;
        house.instance("other", FOREIGN, "Theirs", InstanceStatus::Running).await;
        house
    }

    pub(crate) async fn instance(&self, project: &str, id: &str, name: &str, status: InstanceStatus) {
        let input = InstanceInput {
            name: Some(name.to_owned()),
            endpoint: Some(format!("vnc://{}", self.desktop.local_addr()).parse().unwrap()),
            status: Some(status),
            ..InstanceInput::default()
        };
        let id = Some(id.parse().unwrap());
        self.server.app().inventory.create_instance(&operator(), project, id, input).await.unwrap();
    }

    /// Creates one instance in every state but running, each named after its state.
    pub(crate) async fn instance_in_every_other_state(&self) -> Vec<InstanceStatus> {
        let running = InstanceStatus::Running;
        let others: Vec<_> =
            InstanceStatus::ALL.iter().copied().filter(|status| *status != running).collect();
        for status in &others {
            self.instance(PROJECT, status.as_str(), &format!("Is {status}"), *status).await;
        }
        others
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the audit records of a call.
    pub(crate) async fn audit_of(&self, request: &str) -> Vec<AuditRecord> {
        let query = AuditQuery { request: Some(request.parse().unwrap()), ..AuditQuery::default() };
        self.server.app().audit.audit(&operator(), query, 10).await.unwrap()
    }
}

async fn make_key(server: &Server, role: Role) -> Key {
    let (key, secret) = server.app().access.create_key(&operator(), PROJECT, "test", role).await.unwrap();
    Key { id: key.id.to_string(), secret: secret.expose().to_owned() }
}

pub(crate) fn operator() -> Call {
    let request: RequestId = "req-test".parse().unwrap();
    Call { caller: Caller::Operator, dialect: Dialect::Zenlayer, request, origin: Origin::default() }
}
