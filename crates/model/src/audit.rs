//! The audit: events, their actors and their grants.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::audit_action::AuditAction;
use crate::dialect::Dialect;
use crate::id::{GrantId, ProjectId, RequestId, SessionId};
use crate::name::is_hidden;

/// The known origin of an event. It is empty for an action of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the caller, the viewer or the device. Behind a trusted proxy, the address
    /// that the proxy names.
    pub source: Option<IpAddr>,
    /// The program's own description of itself.
    pub user_agent: Option<UserAgent>,
}

impl Origin {
    /// The origin of a program that does not describe itself.
    #[must_use]
    pub fn of(source: IpAddr) -> Self {
        Self { source: Some(source.to_canonical()), user_agent: None }
    }
}

/// A program's own description of itself. It is legible and short, and it proves nothing because a
/// program can claim any name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent(Arc<str>);

impl UserAgent {
    /// The maximum length in characters. The longest values of browsers have about 200.
    pub const MAX: usize = 256;

    /// Reads a header's value. Removes control, direction and invisible characters, then truncates
    /// to [`MAX`](Self::MAX) characters. Returns `None` if the result is empty.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(value);
        let shown = text.chars().filter(|character| !is_hidden(*character));
        let kept: String = shown.skip_while(|character| character.is_whitespace()).take(Self::MAX).collect();
        let kept = kept.trim_end();
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The actor of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The holder of the operator's token.
    Operator,
    /// The holder of an access key.
    Key(AccessKeyId),
    /// A user of another cloud, identified by the id in its Keystone.
    Guest(String),
    /// The holder of a console URL.
    Viewer,
    /// Transom, for example when a limit is reached.
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

/// An event to be recorded.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// The id of the call that caused it.
    pub request: Option<RequestId>,
    /// The actor.
    pub actor: Actor,
    /// The front door through which the call came.
    pub dialect: Dialect,
    /// The action.
    pub action: AuditAction,
    /// The object of the action: an instance id, a key id or a project name.
    pub target: String,
    /// `ok`, or the code of the failure.
    pub outcome: &'static str,
    /// The project it concerns.
    pub project: Option<ProjectId>,
    /// The grant it concerns.
    pub grant: Option<GrantId>,
    /// The session it concerns.
    pub session: Option<SessionId>,
    /// Further details for people, without secrets.
    pub detail: Option<String>,
    /// The origin of the call.
    pub origin: Origin,
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// The sequence number, which increases with every record.
    pub seq: i64,
    /// The time of the event.
    pub at: Timestamp,
    /// The id of the call that caused it.
    pub request: Option<String>,
    /// The actor.
    pub actor: String,
    /// The front door through which the call came.
    pub dialect: String,
    /// The action as `noun.verb`.
    pub action: String,
    /// The object of the action.
    pub target: String,
    /// `ok`, or the code of the failure.
    pub outcome: String,
    /// The project it concerns.
    pub project: Option<ProjectId>,
    /// The grant it concerns.
    pub grant: Option<GrantId>,
    /// The session it concerns.
    pub session: Option<SessionId>,
    /// Further details for people.
    pub detail: Option<String>,
    /// The address of the caller, the viewer or the device.
    pub source: Option<IpAddr>,
    /// The calling program's own description of itself.
    pub user_agent: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &[u8]) -> Option<String> {
        UserAgent::read(value).map(|agent| agent.as_str().to_owned())
    }

    #[test]
    fn a_user_agent_consists_of_its_legible_characters() {
        assert_eq!(read(b"curl/8.14.1").as_deref(), Some("curl/8.14.1"));
        assert_eq!(
            read("Büro-Programm/1 (می\u{200c}خواهم)".as_bytes()).as_deref(),
            Some("Büro-Programm/1 (می\u{200c}خواهم)")
        );
        assert_eq!(
            read("a\u{1b}[2J\u{9b}31mb\u{202e}c\td\u{200b}".as_bytes()).as_deref(),
            Some("a[2J31mbcd")
        );
        assert_eq!(read(b"caf\xe9").as_deref(), Some("caf\u{fffd}"));
        for nothing in ["", "  ", "\u{202e}\u{1b}", "\t \u{feff} "] {
            assert_eq!(read(nothing.as_bytes()), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_user_agent_is_cut_between_characters() {
        let long = "ü".repeat(10_000);
        assert_eq!(read(long.as_bytes()), Some("ü".repeat(UserAgent::MAX)));
        // Hidden characters do not count, and the cut leaves no trailing space.
        let padded = format!("\u{202e}{}{} b", "\u{1b}".repeat(5_000), "a".repeat(UserAgent::MAX - 1));
        assert_eq!(read(padded.as_bytes()), Some("a".repeat(UserAgent::MAX - 1)));
    }
}
