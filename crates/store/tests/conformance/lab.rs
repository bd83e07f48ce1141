//! The setup of every case: a store on a database of its own, a project with an instance, and
//! control of the database's clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection as SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tempfile::TempDir;
use transom_model::EndReason;
use transom_model::access_key::{AccessKey, AccessKeyId, Role};
use transom_model::audit::{Actor, AuditEntry, Origin, UserAgent};
use transom_model::audit_action::AuditAction;
use transom_model::console_kind::ConsoleKind;
use transom_model::dialect::Dialect;
use transom_model::grant::{Grant, MadeWith, Rights};
use transom_model::id::{GrantId, InstanceId, InstanceUid, NodeId, ProjectId, RequestId, SessionId};
use transom_model::instance::{Instance, InstanceSecurity, InstanceStatus, Sealed, SetBy};
use transom_model::project::Project;
use transom_model::secret::TokenDigest;
use transom_store::{
    Commit, ConsoleTarget, DatabaseUrl, Earlier, Ending, Hold, NewAccessKey, NewGrant, NewInstance,
    NewKeySecret, NewResumeTicket, NewSession, Node, Reservation, ResumeTicketOutcome, Store, Traffic,
};
use uuid::Uuid;

/// A time long enough that nothing lapses unless a case moves the clock.
pub(crate) const TTL: Duration = Duration::from_secs(600);

pub(crate) struct Lab {
    pub(crate) store: Store,
    pub(crate) url: DatabaseUrl,
    pub(crate) node: NodeId,
    pub(crate) project: Project,
    pub(crate) instance: Instance,
    raw: Raw,
    clock_offset: AtomicU64,
}

/// Direct access to the database, for statements that no store runs.
pub(crate) enum Raw {
    Sqlite(TempDir),
    Postgres(String),
}

impl Lab {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        Self::new(DatabaseUrl::sqlite(folder.path().join("transom.db")), Raw::Sqlite(folder)).await
    }

    pub(crate) async fn on_postgresql() -> Self {
        Self::on_postgresql_at(transom_testkit::postgres::database()).await
    }

    pub(crate) async fn on_postgresql_at(url: String) -> Self {
        Self::new(DatabaseUrl::parse(&url).unwrap(), Raw::Postgres(url)).await
    }

    async fn new(url: DatabaseUrl, raw: Raw) -> Self {
        let store = Store::open(&url).await.unwrap();
        let project = project(&store, "lab").await;
        let instance = instance(&store, project.id, "vm1").await;
        let clock_offset = AtomicU64::new(0);
        let node = life(&store, Earlier::Unknown, NodeId(Uuid::now_v7())).await.unwrap().id;
        Self { store, url, node, project, instance, raw, clock_offset }
    }

    /// Runs statements without the store.
    pub(crate) async fn sql(&self, text: &str) {
        match &self.raw {
            Raw::Sqlite(folder) => {
                sqlite(folder).execute_batch(text).unwrap();
            }
            Raw::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }

    /// Returns the texts that a query selects, without the store.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        match &self.raw {
            Raw::Sqlite(folder) => {
                let connection = sqlite(folder);
                let mut query = connection.prepare(query).unwrap();
                query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            }
            Raw::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(&mut connection).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Moves the database's clock, and no other clock.
    pub(crate) async fn advance_clock(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).unwrap();
        let offset = self.clock_offset.fetch_add(by, Ordering::Relaxed) + by;
        let now = match &self.raw {
            Raw::Sqlite(_) => "CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000",
            Raw::Postgres(_) => "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
        };
        self.sql(&format!(
            "BEGIN; DROP VIEW clock; CREATE VIEW clock (now) AS SELECT {now} + {offset}; COMMIT"
        ))
        .await;
    }

    pub(crate) fn folder(&self) -> Option<&TempDir> {
        match &self.raw {
            Raw::Sqlite(folder) => Some(folder),
            Raw::Postgres(_) => None,
        }
    }

    pub(crate) async fn key(&self) -> AccessKey {
        key(&self.store, self.project.id).await
    }

    /// Creates a grant for the operator.
    pub(crate) async fn grant(&self, uses: Option<u32>) -> (Grant, TokenDigest) {
        self.grant_by(uses, None).await
    }

    pub(crate) async fn grant_by(&self, uses: Option<u32>, key: Option<AccessKeyId>) -> (Grant, TokenDigest) {
        let new = new_grant(&self.instance, uses, key);
        let token = new.token;
        (self.store.create_grant(new, &entry(AuditAction::LinkCreate)).await.unwrap(), token)
    }

    /// Creates a grant with unlimited use whose sessions all end after this time.
    pub(crate) async fn ending(&self, after: Duration) -> (Grant, TokenDigest) {
        let new = NewGrant { ends_after: Some(after), ..new_grant(&self.instance, None, None) };
        let token = new.token;
        (self.store.create_grant(new, &entry(AuditAction::LinkCreate)).await.unwrap(), token)
    }

    pub(crate) fn new_session(&self) -> NewSession {
        let viewer = "192.0.2.7".to_owned();
        NewSession { id: SessionId(Uuid::now_v7()), node: self.life(), viewer, most: 100 }
    }

    /// The first life of the lab's own node.
    pub(crate) fn life(&self) -> Node {
        Node { id: self.node, incarnation: 1 }
    }

    /// Registers another node.
    pub(crate) async fn another_node(&self) -> Node {
        life(&self.store, Earlier::Unknown, NodeId(Uuid::now_v7())).await.unwrap()
    }

    /// Declares a node gone, as another node does that saw the same beat for long enough.
    pub(crate) async fn lose(&self, node: Node) {
        let pulses = self.store.pulses().await.unwrap();
        let pulse = pulses.into_iter().find(|pulse| pulse.node == node).unwrap();
        assert!(self.store.declare_gone(pulse).await.unwrap());
    }

    pub(crate) async fn try_reserve(&self, token: TokenDigest) -> Reservation {
        self.store.reserve(token, self.new_session(), None).await.unwrap()
    }

    /// Reserves a session without a ticket.
    pub(crate) async fn reserve(&self, token: TokenDigest) -> ConsoleTarget {
        reserved(self.try_reserve(token).await)
    }

    /// Reserves a session. Returns it with its fresh ticket.
    pub(crate) async fn reserve_with_ticket(&self, token: TokenDigest) -> (ConsoleTarget, TokenDigest) {
        let ticket = ticket();
        let reservation = self.store.reserve(token, self.new_session(), Some(ticket)).await.unwrap();
        (reserved(reservation), ticket.digest)
    }

    /// Opens a live session from a page. Returns it with its presented ticket.
    pub(crate) async fn live_page(&self) -> (Hold, TokenDigest) {
        let (_, token) = self.grant(Some(1)).await;
        let (_, ticket) = self.reserve_with_ticket(token).await;
        let hold = accepted(self.present(ticket).await).hold;
        self.commit(hold).await;
        (hold, ticket)
    }

    pub(crate) async fn commit(&self, hold: Hold) -> Commit {
        self.store.commit(hold, &entry(AuditAction::SessionStart)).await.unwrap()
    }

    pub(crate) async fn give_back(&self, hold: Hold) -> bool {
        let audit = entry(AuditAction::SessionFail);
        self.store.give_back(hold, EndReason::InstanceUnreachable, &audit).await.unwrap()
    }

    pub(crate) async fn end(&self, hold: Hold, reason: EndReason) -> Ending {
        self.store.end(hold, reason, Traffic::default(), &entry(AuditAction::SessionEnd)).await.unwrap()
    }

    pub(crate) async fn remove_instance(&self) -> bool {
        let audit = entry(AuditAction::InstanceRemove);
        self.store.remove_instance(self.project.id, &self.instance.id, &audit).await.unwrap()
    }

    pub(crate) async fn present(&self, shown: TokenDigest) -> ResumeTicketOutcome {
        self.present_at(self.life(), shown).await
    }

    pub(crate) async fn present_at(&self, node: Node, shown: TokenDigest) -> ResumeTicketOutcome {
        self.store.present_ticket(shown, node, "192.0.2.8", &request(), &stranger()).await.unwrap()
    }

    /// Exchanges a ticket. Returns the outcome and the new ticket.
    pub(crate) async fn rotate(&self, shown: TokenDigest) -> (ResumeTicketOutcome, TokenDigest) {
        let new = ticket();
        (self.store.rotate_ticket(shown, new, &request(), &stranger()).await.unwrap(), new.digest)
    }
}

/// Begins a node's life under an id that is free.
pub(crate) async fn life(store: &Store, earlier: Earlier, id: NodeId) -> Option<Node> {
    store.register_node(id, "1.2.3", earlier).await.unwrap()
}

fn sqlite(folder: &TempDir) -> SqliteConnection {
    SqliteConnection::open(folder.path().join("transom.db")).unwrap()
}

pub(crate) fn reserved(reservation: Reservation) -> ConsoleTarget {
    match reservation {
        Reservation::Reserved(target) => *target,
        Reservation::Refused { reason, .. } => panic!("refused: {reason}"),
    }
}

pub(crate) fn accepted(outcome: ResumeTicketOutcome) -> ConsoleTarget {
    match outcome {
        ResumeTicketOutcome::Accepted(target) => *target,
        other => panic!("not accepted: {other:?}"),
    }
}

pub(crate) async fn project(store: &Store, name: &str) -> Project {
    store
        .create_project(ProjectId(Uuid::now_v7()), &name.parse().unwrap(), &entry(AuditAction::ProjectCreate))
        .await
        .unwrap()
}

pub(crate) async fn key(store: &Store, project: ProjectId) -> AccessKey {
    store.create_key(new_key(project), &entry(AuditAction::KeyCreate)).await.unwrap()
}

pub(crate) fn new_key(project: ProjectId) -> NewAccessKey {
    let mut random = [0; 22];
    random[..16].copy_from_slice(Uuid::new_v4().as_bytes());
    let id = AccessKeyId::from_random(random);
    NewAccessKey { id, project, name: "ci".to_owned(), role: Role::Member, secret: new_secret(b"first") }
}

pub(crate) fn new_secret(sealed: &[u8]) -> NewKeySecret {
    NewKeySecret { id: Uuid::now_v7(), sealed: Sealed(sealed.to_owned()) }
}

pub(crate) async fn instance(store: &Store, project: ProjectId, id: &str) -> Instance {
    store.create_instance(new_instance(project, id), &entry(AuditAction::InstanceCreate)).await.unwrap()
}

pub(crate) fn new_instance(project: ProjectId, id: &str) -> NewInstance {
    NewInstance {
        uid: InstanceUid(Uuid::now_v7()),
        id: id.parse::<InstanceId>().unwrap(),
        project,
        name: format!("the machine {id}"),
        status: InstanceStatus::Running,
        endpoint: "vnc://192.0.2.1:5901".parse().unwrap(),
        endpoint_set_by: SetBy::Operator,
        security: InstanceSecurity {
            username: None,
            password: Some(Sealed(b"sealed password".to_vec())),
            ca: None,
            certificate: None,
            key: None,
            fingerprint: Some("ab".repeat(32)),
            ..InstanceSecurity::default()
        },
        import_name: None,
        for_ticket_holder: false,
    }
}

pub(crate) fn new_grant(instance: &Instance, uses: Option<u32>, key: Option<AccessKeyId>) -> NewGrant {
    NewGrant {
        id: GrantId(Uuid::now_v7()),
        project: instance.project,
        key,
        dialect: Dialect::Api,
        kind: ConsoleKind::Page,
        instance: instance.uid,
        rights: Rights::default(),
        request: request(),
        uses,
        token: digest(),
        ttl: TTL,
        ends_after: None,
        no_later_than: None,
        made_with: MadeWith::default(),
    }
}

pub(crate) fn ticket() -> NewResumeTicket {
    NewResumeTicket { digest: digest(), ttl: TTL }
}

pub(crate) fn digest() -> TokenDigest {
    TokenDigest::of(&Uuid::new_v4().to_string())
}

pub(crate) fn request() -> RequestId {
    RequestId::from_uuid(Uuid::new_v4())
}

/// The origin of tickets that these cases present.
pub(crate) fn stranger() -> Origin {
    let source = Some([192, 0, 2, 8].into());
    Origin { source, user_agent: UserAgent::read(b"Stranger/1.0") }
}

pub(crate) fn entry(action: AuditAction) -> AuditEntry {
    AuditEntry {
        request: Some(request()),
        actor: Actor::Operator,
        dialect: Dialect::Api,
        action,
        target: "vm1".to_owned(),
        outcome: "ok",
        project: None,
        grant: None,
        session: None,
        detail: None,
        origin: Origin::default(),
    }
}
