//! Audit: what happened, who did it, and under which grant.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::Timestamp;
use crate::access_key::AccessKeyId;
use crate::grant::Dialect;
use crate::id::{GrantId, ProjectId, RequestId, SessionId};
use crate::name::is_hidden;

/// Where something came from, as far as anybody knows. What the server does by itself comes from nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the caller, the viewer or the device; behind a declared proxy, the one that it names.
    pub source: Option<IpAddr>,
    /// The program, as it says of itself.
    pub user_agent: Option<UserAgent>,
}

impl Origin {
    /// An address whose program is not known.
    #[must_use]
    pub fn of(source: IpAddr) -> Self {
        Self { source: Some(source.to_canonical()), user_agent: None }
    }
}

/// What a program says that it is. Anybody can say anything: it is legible and short, and proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent(Arc<str>);

impl UserAgent {
    /// The longest browsers' are about 200 characters.
    pub const MAX: usize = 256;

    /// Reads a header's value. Control, direction and invisible characters are left out, and what is beyond
    /// [`MAX`](Self::MAX) characters; none where nothing remains.
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
    /// Where it came from.
    pub origin: Origin,
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
    /// The address that it came from.
    pub source: Option<IpAddr>,
    /// The program that it came from, as that says of itself.
    pub user_agent: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &[u8]) -> Option<String> {
        UserAgent::read(value).map(|agent| agent.as_str().to_owned())
    }

    #[test]
    fn a_program_is_called_by_what_can_be_read_of_its_name() {
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
    fn a_name_is_cut_between_characters() {
        let long = "ü".repeat(10_000);
        assert_eq!(read(long.as_bytes()), Some("ü".repeat(UserAgent::MAX)));
        // What is hidden does not count, and no space is left at the cut.
        let padded = format!("\u{202e}{}{} b", "\u{1b}".repeat(5_000), "a".repeat(UserAgent::MAX - 1));
        assert_eq!(read(padded.as_bytes()), Some("a".repeat(UserAgent::MAX - 1)));
    }
}
