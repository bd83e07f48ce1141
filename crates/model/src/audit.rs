//! Audit: what happened, who did it, and under which grant.

use std::fmt;

use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::grant::Dialect;
use crate::id::{GrantId, ProjectId, RequestId, SessionId};

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The holder of the operator's token.
    Operator,
    /// The holder of an access key.
    Key(AccessKeyId),
    /// A user of another cloud, by the id that its Keystone knows.
    Guest(String),
    /// The holder of a console URL.
    Viewer,
    /// Transom itself, as when a limit is reached.
    Transom,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Key(id) => id.fmt(f),
            Self::Guest(id) => write!(f, "keystone:{id}"),
            Self::Viewer => f.write_str("viewer"),
            Self::Transom => f.write_str("transom"),
        }
    }
}

/// What is to be written down.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// The call it belongs to.
    pub request: Option<RequestId>,
    /// Who did it.
    pub actor: Actor,
    /// The front door it came through.
    pub dialect: Dialect,
    /// What was done, as `noun.verb`: `grant.create`, `session.end`.
    pub action: &'static str,
    /// To what: an instance id, a key id, a project name.
    pub target: String,
    /// `ok`, or the code of what went wrong.
    pub outcome: &'static str,
    /// The project it concerns.
    pub project: Option<ProjectId>,
    /// The grant it concerns.
    pub grant: Option<GrantId>,
    /// The session it concerns.
    pub session: Option<SessionId>,
    /// More for people, never a secret.
    pub detail: Option<String>,
}

/// What was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Rises with every record.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// The call it belongs to.
    pub request: Option<String>,
    /// Who did it.
    pub actor: String,
    /// The front door it came through.
    pub dialect: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// `ok`, or the code of what went wrong.
    pub outcome: String,
    /// The project it concerns.
    pub project: Option<ProjectId>,
    /// The grant it concerns.
    pub grant: Option<GrantId>,
    /// The session it concerns.
    pub session: Option<SessionId>,
    /// More for people.
    pub detail: Option<String>,
}
