//! The native API's bodies (`/api/v1`).

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
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$field])* pub $member: $type,)* }
    };
}

mod address;
mod enrolment;
mod instance;
mod shown;

use serde::{Deserialize, Serialize};

use crate::access_key::Role;
use crate::grant::{ConsoleKind, Dialect, Rights};
use crate::member::{never_null, null_as_missing, whole_never_null};
use crate::project::ProjectName;
#[cfg(feature = "openapi")]
use crate::schema;
use crate::session::SessionState;

pub use address::{
    AcceptKeyBody, AddressBody, AddressChangeBody, AddressMoveBody, AddressSecretBody, NewAddressBody,
    NewTicketBody, PresenceBody, RivalBody, TicketBody, ViewerIdBody,
};
pub use enrolment::{EnrolmentBody, EnrolmentTokenBody, NewEnrolmentsBody};
pub use instance::{InstanceBody, InstanceChangeBody, InstanceSecurityBody, NewInstanceBody};

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
        name: ProjectName,
    }
    /// A project.
    answer ProjectBody {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        id: String,
        /// Its name.
        name: String,
        /// When it was made.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
    }
    /// An access key to be made.
    question NewKeyBody {
        /// The project, by name or id.
        #[cfg_attr(feature = "openapi", schema(value_type = schema::ProjectWord))]
        project: String,
        /// What people call it.
        #[serde(default, deserialize_with = "null_as_missing")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::KeyName>))]
        name: String,
        /// `reader`, `member` or `admin`; `member` where it is missing. It is never null, which would be more than a `reader`.
        #[serde(default, deserialize_with = "never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = Role, required = false))]
        role: Option<Role>,
    }
    /// An access key without its secrets.
    answer KeyBody {
        /// Its id.
        id: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// What people call it.
        name: String,
        /// What it may do.
        role: Role,
        /// When it was made.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// Since when it is worth nothing.
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
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
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
    }
    /// A token to be made for an access key.
    question NewTokenBody {
        /// How long it is valid, in seconds; an hour where it is missing. It is never null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 2_592_000))]
        ttl_seconds: Option<u64>,
    }
    /// A token, which is shown this once. Every front door takes it instead of the access key.
    answer TokenBody {
        /// The token.
        token: String,
        /// The access key that it stands for.
        key: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// Until when it is valid.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        expires_at: String,
    }
    /// A grant.
    answer GrantBody {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        id: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// The key that asked for it; none: the operator.
        #[cfg_attr(feature = "openapi", schema(required))]
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
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// Until when it opens a session.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        expires_at: String,
        /// When every session under it is over at the latest; none: as long as a session may last.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        ends_at: Option<String>,
        /// How often it may be used; none: until it expires.
        #[cfg_attr(feature = "openapi", schema(required))]
        uses: Option<u32>,
        /// How many uses are left.
        #[cfg_attr(feature = "openapi", schema(required))]
        uses_left: Option<u32>,
        /// Since when it is worth nothing.
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        revoked_at: Option<String>,
    }
    /// What a console should be like. What is missing is as the configuration says.
    question NewConsoleBody {
        /// The URL's form; `page` where it is missing.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<schema::OfferedKind>))]
        kind: Option<ConsoleKind>,
        /// Drop keys, pointer and clipboard from the viewer. It is never null.
        #[serde(default)]
        view_only: bool,
        /// Time to connect, in seconds. It is never null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 604_800))]
        ttl_seconds: Option<u64>,
        /// How often the URL opens; 0: as often as wanted until it expires. It is never null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u32, required = false, maximum = 10_000))]
        uses: Option<u32>,
        /// How long from now everything under the URL may last, in seconds: it opens nothing any more then, and every session
        /// is over. Where it is missing, a session lasts as long as the configuration says. It is never null.
        #[serde(default, deserialize_with = "whole_never_null")]
        #[cfg_attr(feature = "openapi", schema(value_type = u64, required = false, minimum = 1, maximum = 2_592_000))]
        ends_after_seconds: Option<u64>,
    }
    /// A console URL. It holds a secret: pass it on to one person.
    answer ConsoleBody {
        /// The URL to open.
        url: String,
        /// Until when it opens.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        expires_at: String,
        /// When every session under it is over at the latest, where that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        ends_at: Option<String>,
        /// The grant's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        grant: String,
    }
    /// A session.
    answer SessionBody {
        /// Its id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        id: String,
        /// The grant it lives under.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        grant: String,
        /// The project's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        project: String,
        /// The instance's id.
        instance: String,
        /// The node that carries it.
        #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
        node: String,
        /// Where it is in its life.
        state: SessionState,
        /// Where the viewer came from.
        viewer: String,
        /// When it was made.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        created_at: String,
        /// When it ended.
        #[cfg_attr(feature = "openapi", schema(format = DateTime, required))]
        ended_at: Option<String>,
        /// Why it ended.
        #[cfg_attr(feature = "openapi", schema(required))]
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
        #[cfg_attr(feature = "openapi", schema(required))]
        user_agent: Option<String>,
    }
    /// An audit record.
    answer AuditBody {
        /// Rises with every record.
        seq: i64,
        /// When.
        #[cfg_attr(feature = "openapi", schema(format = DateTime))]
        at: String,
        /// The call it belongs to.
        #[cfg_attr(feature = "openapi", schema(required))]
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
        #[cfg_attr(feature = "openapi", schema(format = "uuid", required))]
        project: Option<String>,
        /// The grant's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid", required))]
        grant: Option<String>,
        /// The session's id.
        #[cfg_attr(feature = "openapi", schema(format = "uuid", required))]
        session: Option<String>,
        /// More for people.
        #[cfg_attr(feature = "openapi", schema(required))]
        detail: Option<String>,
        /// The address of the caller, the viewer or the device; behind a declared proxy, the one that it names. None: the
        /// server did it by itself.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        source: Option<String>,
        /// The program that asked, as it says of itself; at most 256 characters.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(required))]
        user_agent: Option<String>,
    }
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
