//! The native API's bodies (`/api/v1`).

mod address;
mod enrolment;

use serde::{Deserialize, Serialize};

use crate::access_key::{AccessKey, Role};
use crate::audit::AuditRecord;
use crate::end_reason::{End, Side};
use crate::endpoint::Endpoint;
use crate::grant::{ConsoleKind, Dialect, Grant, Rights};
use crate::id::{InstanceId, RequestId};
use crate::instance::{Instance, InstanceStatus};
use crate::project::Project;
use crate::secret::Secret;
use crate::session::{Session, SessionState};

pub use address::{
    AcceptKeyBody, AddressBody, AddressChangeBody, AddressMoveBody, AddressSecretBody, NewAddressBody,
    NewTicketBody, PresenceBody, RivalBody, TicketBody, ViewerIdBody,
};
pub use enrolment::{EnrolmentBody, EnrolmentTokenBody, NewEnrolmentsBody};

/// Derives what every body needs.
macro_rules! bodies {
    ($($(#[$meta:meta])* $kind:ident $name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* })*) => {
        $(bodies!(@$kind $(#[$meta])* $name { $($(#[$field])* $member: $type,)* });)*
    };
    (@answer $(#[$meta:meta])* $name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field])* pub $member: $type,)* }
    };
    (@question $(#[$meta:meta])* $name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field])* pub $member: $type,)* }
    };
}

bodies! {
    /// How every failure reads.
    answer ErrorBody {
        /// What went wrong.
        error: ErrorDetail,
    }
    /// What went wrong and what to do about it.
    answer ErrorDetail {
        /// A word for programs.
        code: String,
        /// A sentence for people.
        message: String,
        /// The WebSocket close code of the same reason, where a console did not open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        close_code: Option<u16>,
        /// Whose side the cause lies on: `viewer`, `instance`, `operator` or `transom`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        side: Option<String>,
        /// What to do about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        next_step: Option<String>,
        /// What people call the machine, where a link or a ticket was shown that stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<String>,
        /// The call's id; the audit and the log hold it too. Its last eight characters find it as well.
        request_id: String,
    }
    /// A project to be made.
    question NewProjectBody {
        /// Its name, unique.
        name: String,
    }
    /// A project.
    answer ProjectBody {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// When it was made.
        created_at: String,
    }
    /// An access key to be made.
    question NewKeyBody {
        /// The project, by name or id.
        project: String,
        /// What people call it.
        name: String,
        /// `reader`, `member` or `admin`; `member` where it is missing.
        role: Option<Role>,
    }
    /// An access key without its secrets.
    answer KeyBody {
        /// Its id.
        id: String,
        /// The project's id.
        project: String,
        /// What people call it.
        name: String,
        /// What it may do.
        role: Role,
        /// When it was made.
        created_at: String,
        /// Since when it is worth nothing.
        revoked_at: Option<String>,
        /// How many secrets are valid.
        active_secrets: u32,
    }
    /// An access key with its new secret, which is shown this once.
    answer KeySecretBody {
        /// Its id.
        id: String,
        /// The secret.
        secret: String,
        /// The project's id.
        project: String,
    }
    /// A token to be made for an access key.
    question NewTokenBody {
        /// How long it is valid, in seconds; an hour where it is missing.
        ttl_seconds: Option<u64>,
    }
    /// A token, which is shown this once. Every front door takes it instead of the access key.
    answer TokenBody {
        /// The token.
        token: String,
        /// The access key that it stands for.
        key: String,
        /// The project's id.
        project: String,
        /// Until when it is valid.
        expires_at: String,
    }
    /// An instance.
    answer InstanceBody {
        /// Its id, unique in the project.
        id: String,
        /// The project's id.
        project: String,
        /// What people call it.
        name: String,
        /// What state it is in.
        status: InstanceStatus,
        /// Where its VNC server is.
        endpoint: String,
        /// How the gateway gets in; never the secrets.
        security: InstanceSecurityBody,
        /// When it was added.
        created_at: String,
        /// When it was last changed.
        updated_at: String,
    }
    /// How the gateway gets in.
    answer InstanceSecurityBody {
        /// The user for VeNCrypt Plain.
        username: Option<String>,
        /// Whether a password is set.
        password: bool,
        /// Whether the VNC server's certificate must chain to a CA that is set.
        ca: bool,
        /// Whether a client certificate is set.
        certificate: bool,
        /// SHA-256 of the certificate that the VNC server must show.
        fingerprint: Option<String>,
        /// Whether password and key are kept back until they are set again: the cloud address at the endpoint was given new
        /// credentials since.
        withheld: bool,
    }
    /// A grant.
    answer GrantBody {
        /// Its id.
        id: String,
        /// The project's id.
        project: String,
        /// The key that asked for it; none: the operator.
        key: Option<String>,
        /// The front door.
        dialect: Dialect,
        /// The URL's form.
        kind: ConsoleKind,
        /// The instance's id.
        instance: String,
        /// What the viewer may do.
        rights: Rights,
        /// The call that made it.
        request_id: String,
        /// When it was made.
        created_at: String,
        /// Until when it opens a session.
        expires_at: String,
        /// When every session under it is over at the latest; none: as long as a session may last.
        #[serde(default)]
        ends_at: Option<String>,
        /// How often it may be used; none: until it expires.
        uses: Option<u32>,
        /// How many uses are left.
        uses_left: Option<u32>,
        /// Since when it is worth nothing.
        revoked_at: Option<String>,
    }
    /// What a console should be like. What is missing is as the configuration says.
    question NewConsoleBody {
        /// The URL's form; `page` where it is missing.
        kind: Option<ConsoleKind>,
        /// Drop keys, pointer and clipboard from the viewer.
        view_only: bool,
        /// Time to connect, in seconds.
        ttl_seconds: Option<u64>,
        /// How often the URL opens; 0: as often as wanted until it expires.
        uses: Option<u32>,
        /// How long from now everything under the URL may last, in seconds: it opens nothing any more then, and every session
        /// is over. At least 1, at most 30 days; where it is missing, a session lasts as long as the configuration says.
        ends_after_seconds: Option<u64>,
    }
    /// A console URL. It holds a secret: pass it on to one person.
    answer ConsoleBody {
        /// The URL to open.
        url: String,
        /// Until when it opens.
        expires_at: String,
        /// When every session under it is over at the latest, where that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends_at: Option<String>,
        /// The grant's id.
        grant: String,
    }
    /// A session.
    answer SessionBody {
        /// Its id.
        id: String,
        /// The grant it lives under.
        grant: String,
        /// The project's id.
        project: String,
        /// The instance's id.
        instance: String,
        /// The node that carries it.
        node: String,
        /// Where it is in its life.
        state: SessionState,
        /// Where the viewer came from.
        viewer: String,
        /// When it was made.
        created_at: String,
        /// When it ended.
        ended_at: Option<String>,
        /// Why it ended.
        end_reason: Option<String>,
        /// Bytes from the instance to the viewer.
        bytes_to_viewer: u64,
        /// Bytes from the viewer to the instance.
        bytes_to_instance: u64,
    }
    /// A link, who made it, and who used it when and from where.
    answer LinkReportBody {
        /// The link.
        link: GrantBody,
        /// Its sessions, the newest first; at most 1000, and those that are open or that this call ended before all others.
        uses: Vec<LinkUseBody>,
        /// Its audit records, the oldest first, at most the newest 1000; missing where the caller may not read the audit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trail: Option<Vec<AuditBody>>,
    }
    /// One session under a link.
    answer LinkUseBody {
        /// The session.
        session: SessionBody,
        /// From its beginning to its end, or to now, in seconds.
        duration_seconds: u64,
        /// It was open when this call revoked the link, and is over.
        ended_now: bool,
        /// From where it was opened, or was to be, the newest last; missing where the caller may not read the audit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origins: Option<Vec<OriginBody>>,
    }
    /// Where something came from.
    answer OriginBody {
        /// The address; behind a declared proxy, the one that it names.
        source: String,
        /// The program, as it says of itself.
        user_agent: Option<String>,
    }
    /// An audit record.
    answer AuditBody {
        /// Rises with every record.
        seq: i64,
        /// When.
        at: String,
        /// The call it belongs to.
        request_id: Option<String>,
        /// `operator`, an access key's id, `viewer` or `transom`.
        actor: String,
        /// The front door.
        dialect: String,
        /// What was done, as `noun.verb`.
        action: String,
        /// To what.
        target: String,
        /// `ok`, or the code of what went wrong.
        outcome: String,
        /// The project's id.
        project: Option<String>,
        /// The grant's id.
        grant: Option<String>,
        /// The session's id.
        session: Option<String>,
        /// More for people.
        detail: Option<String>,
        /// The address of the caller, the viewer or the device; behind a declared proxy, the one that it names. None: the
        /// server did it by itself.
        #[serde(default)]
        source: Option<String>,
        /// The program that asked, as it says of itself; at most 256 characters.
        #[serde(default)]
        user_agent: Option<String>,
    }
}

/// An instance to be added, or what to change about one. Texts that are empty clear what was set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstanceInputBody {
    /// Its id; only when it is added. A UUID where it is missing.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub id: Option<InstanceId>,
    /// What people call it.
    pub name: Option<String>,
    /// What state it is in; `running` where it is missing when it is added.
    pub status: Option<InstanceStatus>,
    /// Where its VNC server is: `vnc://host:port`, `vnc+unix:/path` or `cloud:ADDRESS`. Another one ends the instance's
    /// sessions.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub endpoint: Option<Endpoint>,
    /// The user for VeNCrypt Plain.
    pub username: Option<String>,
    /// The VNC or VeNCrypt Plain password.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub password: Option<Secret>,
    /// PEM certificates that the VNC server's certificate must chain to, or be one of; setting them clears the fingerprint.
    pub ca: Option<String>,
    /// PEM certificate chain that the gateway shows.
    pub certificate: Option<String>,
    /// The PEM key to it.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub key: Option<Secret>,
    /// SHA-256 of the certificate that the VNC server must show; setting it clears the CA.
    pub fingerprint: Option<String>,
    /// With `endpoint`: it leads to the same machine, as after a live migration. Sessions of pages dial again there, and others
    /// end with `instance-moved`.
    #[serde(default)]
    pub moved: bool,
    /// The password and the key are also for whoever holds the repeater ticket of the cloud address that `endpoint` names. Where
    /// the address has one, and this is not said, they are refused.
    #[serde(default)]
    pub for_ticket_holder: bool,
}

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Ask again with `after` set to this for the rows that follow; missing on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl ErrorDetail {
    /// A failure that is on the list of end reasons, for those who manage the machine: with its whole detail.
    #[must_use]
    pub fn for_manager(end: &End, request: &RequestId) -> Self {
        let sentence = end.reason.sentence();
        Self {
            message: end.detail().map_or(sentence.to_owned(), |detail| format!("{sentence} ({detail})")),
            next_step: Some(end.reason.remedy().unwrap_or(end.reason.next_step()).to_owned()),
            ..Self::of_end(end, request)
        }
    }

    /// A failure that is on the list of end reasons, for everybody.
    #[must_use]
    pub fn of_end(end: &End, request: &RequestId) -> Self {
        let side = match end.reason.side() {
            Side::Viewer => "viewer",
            Side::Instance => "instance",
            Side::Operator => "operator",
            Side::Transom => "transom",
        };
        Self {
            code: end.reason.code().to_owned(),
            message: end.sentence(),
            close_code: Some(end.reason.close_code()),
            side: Some(side.to_owned()),
            next_step: Some(end.reason.next_step().to_owned()),
            instance: end.machine().map(str::to_owned),
            request_id: request.to_string(),
        }
    }

    /// Any other failure.
    #[must_use]
    pub fn plain(code: &str, message: String, request: &RequestId) -> Self {
        Self {
            code: code.to_owned(),
            message,
            close_code: None,
            side: None,
            next_step: None,
            instance: None,
            request_id: request.to_string(),
        }
    }
}

impl From<Project> for ProjectBody {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            name: project.name.to_string(),
            created_at: project.created_at.to_string(),
        }
    }
}

impl From<AccessKey> for KeyBody {
    fn from(key: AccessKey) -> Self {
        Self {
            id: key.id.to_string(),
            project: key.project.to_string(),
            name: key.name,
            role: key.role,
            created_at: key.created_at.to_string(),
            revoked_at: key.revoked_at.map(|at| at.to_string()),
            active_secrets: key.active_secrets,
        }
    }
}

impl From<Instance> for InstanceBody {
    fn from(instance: Instance) -> Self {
        let security = instance.security;
        Self {
            id: instance.id.to_string(),
            project: instance.project.to_string(),
            name: instance.name,
            status: instance.status,
            endpoint: instance.endpoint.to_string(),
            security: InstanceSecurityBody {
                withheld: security.is_withheld(),
                username: security.username,
                password: security.password.is_some(),
                ca: security.ca.is_some(),
                certificate: security.certificate.is_some(),
                fingerprint: security.fingerprint,
            },
            created_at: instance.created_at.to_string(),
            updated_at: instance.updated_at.to_string(),
        }
    }
}

impl From<Grant> for GrantBody {
    fn from(grant: Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            project: grant.project.to_string(),
            key: grant.key.map(|key| key.to_string()),
            dialect: grant.dialect,
            kind: grant.kind,
            instance: grant.instance.to_string(),
            rights: grant.rights,
            request_id: grant.request.to_string(),
            created_at: grant.created_at.to_string(),
            expires_at: grant.expires_at.to_string(),
            ends_at: grant.ends_at.map(|at| at.to_string()),
            uses: grant.uses,
            uses_left: grant.uses_left,
            revoked_at: grant.revoked_at.map(|at| at.to_string()),
        }
    }
}

impl From<Session> for SessionBody {
    fn from(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            grant: session.grant.to_string(),
            project: session.project.to_string(),
            instance: session.instance.to_string(),
            node: session.node.to_string(),
            state: session.state,
            viewer: session.viewer,
            created_at: session.created_at.to_string(),
            ended_at: session.ended_at.map(|at| at.to_string()),
            end_reason: session.end_reason.map(|reason| reason.to_string()),
            bytes_to_viewer: session.bytes_to_viewer,
            bytes_to_instance: session.bytes_to_instance,
        }
    }
}

impl From<AuditRecord> for AuditBody {
    fn from(record: AuditRecord) -> Self {
        Self {
            seq: record.seq,
            at: record.at.to_string(),
            request_id: record.request,
            actor: record.actor,
            dialect: record.dialect,
            action: record.action,
            target: record.target,
            outcome: record.outcome,
            project: record.project.map(|id| id.to_string()),
            grant: record.grant.map(|id| id.to_string()),
            session: record.session.map(|id| id.to_string()),
            detail: record.detail,
            source: record.source.map(|source| source.to_string()),
            user_agent: record.user_agent,
        }
    }
}
