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

/// The outages that are logged individually per minute. During an outage every call fails.
const OUTAGES: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// The budget of the process, which has one log.
static TOLD: LazyLock<DefaultDirectRateLimiter> =
    LazyLock::new(|| DefaultDirectRateLimiter::direct(Quota::per_minute(OUTAGES)));

/// The result of a use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a use case failed. It changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is unknown.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Too many failed attempts from this source.
    #[error("too many failed authentications from this address")]
    RateLimited,
    /// The caller's role does not reach.
    #[error("this needs {needed}")]
    Forbidden {
        /// The role that would suffice.
        needed: Needed,
    },
    /// There is none, or it is another project's.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// It is there already, or in a state that forbids it.
    #[error("{0}")]
    Conflict(String),
    /// It is not the version that the caller means.
    #[error("it was changed meanwhile")]
    Stale,
    /// The request as a whole is malformed.
    #[error("{0}")]
    Malformed(String),
    /// A value is not what it must be.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which member or parameter.
        field: Cow<'static, str>,
        /// The fault of the value.
        problem: String,
    },
    /// The instance's status does not allow it.
    #[error("the instance is {0}")]
    InstanceStatus(InstanceStatus),
    /// A console does not open, for a reason on the list.
    #[error(transparent)]
    End(#[from] End),
    /// The database does not answer.
    #[error("the database cannot be reached")]
    Unavailable(#[source] StoreError),
    /// Our own fault; the cause goes to the log, not to the caller.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The required role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    /// A key of at least this role.
    Role(Role),
    /// The operator's token.
    Operator,
    /// The access key's own secret, not a token that was got for it.
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
    /// A value is not what it must be.
    pub fn invalid(field: impl Into<Cow<'static, str>>, problem: impl ToString) -> Self {
        Self::Invalid { field: field.into(), problem: problem.to_string() }
    }

    /// Returns whether to log this error too.
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
            | Self::Invalid { .. } => None,
        }
    }

    /// Our own fault.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }
}

/// Returns whether to log another outage.
pub(crate) fn outage_is_news() -> bool {
    TOLD.check().is_ok()
}

/// Demands that a name shows as what it is.
pub(crate) fn legible(name: &str) -> Result<()> {
    if name::is_legible(name) { Ok(()) } else { Err(Error::invalid("name", name::ILLEGIBLE)) }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what) => Self::Conflict(what.to_owned()),
            StoreError::NotFound(what) => Self::NotFound(what),
            // It was good when it was looked at, a moment ago.
            StoreError::ProofGone => {
                Self::Unauthenticated("the presented token or secret is no longer valid")
            }
            StoreError::Unavailable(_) => Self::Unavailable(error),
            _ => Self::internal(error),
        }
    }
}
