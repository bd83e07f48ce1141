//! Callers: the operator, the holder of an access key, or a user of an existing cloud.

use std::net::IpAddr;

use transom_model::Timestamp;
use transom_model::access_key::{AccessKeyId, Role};
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::dialect::Dialect;
use transom_model::grant::MadeWith;
use transom_model::id::{ProjectId, RequestId};
use transom_model::secret::{Secret, TokenDigest};
use uuid::Uuid;

use crate::error::{Error, Needed, Result};

/// The caller of a use case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The holder of the operator's token. It may act on every project.
    Operator,
    /// The holder of an access key.
    Key {
        /// The key.
        id: AccessKeyId,
        /// Its project.
        project: ProjectId,
        /// Its role in the project.
        role: Role,
        /// The token that the holder presented instead of a secret.
        token: Option<ShownToken>,
        /// The id of the secret that the holder presented, or with which it obtained the token.
        /// `None` if that is unknown.
        secret: Option<Uuid>,
    },
    /// A user of an existing cloud, known by a token of its Keystone.
    Guest {
        /// The user's id in the existing cloud.
        user: String,
        /// The project's id in the existing cloud.
        home: String,
        /// The project in Transom.
        project: ProjectId,
        /// The user's role in that project.
        role: Role,
        /// The end of its token's validity. `None` if Keystone did not return it.
        until: Option<Timestamp>,
    },
}

/// A token that a caller presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShownToken {
    /// The digest by which the store knows the token.
    pub digest: TokenDigest,
    /// The end of its validity.
    pub until: Timestamp,
}

impl Caller {
    /// Returns the actor for audit records.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Operator => Actor::Operator,
            Self::Key { id, .. } => Actor::Key(id.clone()),
            Self::Guest { user, .. } => Actor::Guest(user.clone()),
        }
    }

    /// Returns the access key. `None` for other callers.
    #[must_use]
    pub fn key(&self) -> Option<&AccessKeyId> {
        match self {
            Self::Operator | Self::Guest { .. } => None,
            Self::Key { id, .. } => Some(id),
        }
    }

    /// Returns the only project that this caller sees. `None` means all projects.
    #[must_use]
    pub fn project(&self) -> Option<ProjectId> {
        match self {
            Self::Operator => None,
            Self::Key { project, .. } | Self::Guest { project, .. } => Some(*project),
        }
    }

    /// Fails unless the caller has at least this role.
    pub fn need(&self, needed: Role) -> Result<()> {
        match self {
            Self::Operator => Ok(()),
            Self::Key { role, .. } | Self::Guest { role, .. } if *role >= needed => Ok(()),
            Self::Key { .. } | Self::Guest { .. } => Err(Error::Forbidden { needed: Needed::Role(needed) }),
        }
    }

    /// Returns the token that was presented instead of a secret.
    #[must_use]
    pub fn token(&self) -> Option<ShownToken> {
        match self {
            Self::Key { token, .. } => *token,
            Self::Operator | Self::Guest { .. } => None,
        }
    }

    /// Returns the end of the presented credential's validity, if it has one. Links made with it
    /// open no longer than that.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Operator => None,
            Self::Key { token, .. } => token.map(|shown| shown.until),
            Self::Guest { until, .. } => *until,
        }
    }

    /// Returns the credential that was presented. Everything made with it ends with it.
    #[must_use]
    pub fn made_with(&self) -> MadeWith {
        match self {
            Self::Key { token, secret, .. } => {
                MadeWith { token: token.map(|shown| shown.digest), secret: *secret }
            }
            Self::Operator | Self::Guest { .. } => MadeWith::default(),
        }
    }

    /// Requires the key's own secret or the operator's token. A stolen token must not create
    /// anything lasting, such as another secret or a device's password.
    pub fn need_secret(&self) -> Result<()> {
        match self {
            Self::Operator | Self::Key { token: None, .. } => Ok(()),
            Self::Key { .. } | Self::Guest { .. } => Err(Error::Forbidden { needed: Needed::Secret }),
        }
    }

    /// Fails unless the caller is the operator.
    pub fn need_operator(&self) -> Result<()> {
        match self {
            Self::Operator => Ok(()),
            Self::Key { .. } | Self::Guest { .. } => Err(Error::Forbidden { needed: Needed::Operator }),
        }
    }
}

/// The proof of a caller's identity.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The operator's token, or an API token.
    Token(Secret),
    /// An access key's id and one of its secrets.
    KeySecret(String, Secret),
}

impl Proof {
    /// Returns the access key's id as it was sent. `None` for a token.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Token(_) => None,
            Self::KeySecret(id, _) => Some(id),
        }
    }
}

/// A call whose caller is not authenticated yet.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The source address.
    pub source: IpAddr,
    /// The request id, with which a refused caller can ask the operator for the cause.
    pub request: &'a RequestId,
}

/// A call of a use case.
#[derive(Clone, Debug)]
pub struct Call {
    /// The caller.
    pub caller: Caller,
    /// The front door.
    pub dialect: Dialect,
    /// The id that the response, the log and the audit carry.
    pub request: RequestId,
    /// The source address and the program of the call.
    pub origin: Origin,
}

impl Call {
    /// Returns an audit entry with the call's values, to be completed by a struct update:
    /// `..call.entry(AuditAction::KeyCreate, target)`.
    pub(crate) fn entry(&self, action: AuditAction, target: impl ToString) -> AuditEntry {
        AuditEntry {
            request: Some(self.request.clone()),
            actor: self.caller.actor(),
            dialect: self.dialect,
            action,
            target: target.to_string(),
            outcome: "ok",
            project: self.caller.project(),
            grant: None,
            session: None,
            detail: None,
            origin: self.origin.clone(),
        }
    }
}
