//! The errors of use cases. Each dialect converts them into its own errors in one place.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::sync::LazyLock;

use governor::{DefaultDirectRateLimiter, Quota};
use transom_model::EndReason;
use transom_model::access_key::Role;
use transom_model::end_reason::End;
use transom_model::instance::InstanceStatus;
use transom_model::name;
use transom_store::StoreError;

/// The number of outage errors that are logged per minute. During an outage every call fails.
const OUTAGES: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// The budget of the process, which has one log.
static TOLD: LazyLock<DefaultDirectRateLimiter> =
    LazyLock::new(|| DefaultDirectRateLimiter::direct(Quota::per_minute(OUTAGES)));

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a use case. Apart from a revocation that is held at this node, the use case has
/// changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is not authenticated.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Too many failed attempts from this source.
    #[error("too many failed authentications from this address")]
    RateLimited,
    /// The caller lacks the needed role.
    #[error("this needs {needed}")]
    Forbidden {
        /// The role that would suffice.
        needed: Needed,
    },
    /// The object does not exist, or belongs to another project.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The object already exists, or its state forbids the call.
    #[error("{0}")]
    Conflict(String),
    /// The object no longer has the version that the caller expects.
    #[error("it was changed meanwhile")]
    Stale,
    /// The request as a whole is malformed.
    #[error("{0}")]
    Malformed(String),
    /// A value is invalid.
    #[error("{field}: {problem}")]
    Invalid {
        /// The member or parameter.
        field: Cow<'static, str>,
        /// The problem, such as `must not be empty`.
        problem: String,
    },
    /// Rows of an import are wrong.
    #[error("{} of {of} instances cannot be imported, so nothing was changed", .wrong.len())]
    Rows {
        /// The wrong rows, in order.
        wrong: Vec<WrongRow>,
        /// The number of all rows.
        of: usize,
    },
    /// The instance's status does not allow the call.
    #[error("the instance is {0}")]
    InstanceStatus(InstanceStatus),
    /// A console does not open, for one of the listed end reasons.
    #[error(transparent)]
    End(#[from] End),
    /// The database does not answer.
    #[error("the database cannot be reached")]
    Unavailable(#[source] StoreError),
    /// An internal error. Its cause goes to the log and not to the caller.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A row of an import that cannot be imported, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongRow {
    /// The row's number. The first one has the number 1.
    pub row: usize,
    /// The wrong member. `None` if the row as a whole is wrong.
    pub member: Option<String>,
    /// The fault.
    pub problem: String,
}

impl WrongRow {
    /// Takes an error about one row. Returns other errors, which concern the whole call.
    pub fn new(row: usize, error: Error) -> Result<Self> {
        let (member, problem) = match error {
            Error::Invalid { field, problem } => (Some(field.into_owned()), problem),
            Error::Conflict(problem) | Error::Malformed(problem) => (None, problem),
            Error::End(end) if end.reason == EndReason::EndpointNotAllowed => {
                (Some("endpoint".to_owned()), end.reason.sentence().to_owned())
            }
            error => return Err(error),
        };
        Ok(Self { row, member, problem })
    }
}

/// The required role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A key of at least this role.
    Role(Role),
    /// The operator's token.
    Operator,
    /// The access key's own secret. A token is not enough.
    Secret,
}

impl std::fmt::Display for Needed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(role) => write!(f, "the role {role}"),
            Self::Operator => f.write_str("the role operator"),
            Self::Secret => f.write_str(
                "the access key's own secret, because a token cannot create anything that outlives it",
            ),
        }
    }
}

impl Error {
    /// Returns [`Self::Invalid`] for this member or parameter.
    pub fn invalid(field: impl Into<Cow<'static, str>>, problem: impl ToString) -> Self {
        Self::Invalid { field: field.into(), problem: problem.to_string() }
    }

    /// Returns whether to log this error. Outages are logged only a limited number of times per
    /// minute.
    pub fn is_news(&self) -> bool {
        !matches!(self, Self::Unavailable(_)) || outage_is_news()
    }

    /// Returns the end reason of this error. `None` for an error about the call itself, such as a
    /// wrong value, which no viewer causes.
    pub fn as_end(&self) -> Option<End> {
        match self {
            Self::End(end) => Some(end.clone()),
            Self::InstanceStatus(status) => {
                Some(End::for_viewers(EndReason::InstanceNotRunning, format!("it is {status}")))
            }
            Self::RateLimited => Some(EndReason::RateLimited.into()),
            Self::Unavailable(_) => Some(EndReason::StoreUnavailable.into()),
            Self::Internal(_) => Some(EndReason::InternalError.into()),
            Self::Unauthenticated(_)
            | Self::Forbidden { .. }
            | Self::NotFound(_)
            | Self::Conflict(_)
            | Self::Stale
            | Self::Malformed(_)
            | Self::Invalid { .. }
            | Self::Rows { .. } => None,
        }
    }

    /// Returns [`Self::Internal`] with this cause.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

/// Returns whether to log another outage.
pub(crate) fn outage_is_news() -> bool {
    TOLD.check().is_ok()
}

/// Fails if a name contains hidden characters.
pub(crate) fn legible(name: &str) -> Result<()> {
    if name::is_legible(name) { Ok(()) } else { Err(Error::invalid("name", name::ILLEGIBLE)) }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what) => Self::Conflict(what.to_owned()),
            StoreError::NotFound(what) => Self::NotFound(what),
            // The credential was valid when it was checked, and was revoked meanwhile.
            StoreError::ProofGone => {
                Self::Unauthenticated("the presented token or secret is no longer valid")
            }
            StoreError::Unavailable(_) => Self::Unavailable(error),
            _ => Self::internal(error),
        }
    }
}
