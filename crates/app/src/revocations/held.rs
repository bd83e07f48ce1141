//! Held revocations. A revocation takes effect at this node at once, and is written as soon as the
//! database takes it.

use std::time::Instant;

use parking_lot::Mutex;
use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::cloud::CloudAddress;
use transom_model::dialect::Dialect;
use transom_model::grant::{Grant, MadeWith};
use transom_model::id::{GrantId, InstanceId, InstanceUid, ProjectId, SessionId};
use transom_model::secret::TokenDigest;
use transom_store::{ConsoleTarget, OPERATION_DEADLINE, Precondition, Scope};
use uuid::Uuid;

/// The most held revocations of the operator, and of all projects together. More of them in one
/// outage come from a program in a loop.
const MOST: usize = 10_000;

/// The target of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    Session(SessionId),
    Grant(GrantId),
    Key(AccessKeyId),
    Instance {
        uid: InstanceUid,
        project: ProjectId,
        id: InstanceId,
    },
    Address {
        address: CloudAddress,
        scope: Scope,
        condition: Precondition,
    },
    /// An API token and everything made with it, except grants of the dialect `keeping`.
    Token {
        token: TokenDigest,
        keeping: Option<Dialect>,
    },
    /// The older secret of a key, and everything of the key that was not made with the newer one.
    Secret {
        key: AccessKeyId,
        secret: Uuid,
    },
}

impl Revoked {
    /// Returns the reason for which sessions end.
    pub(crate) fn reason(&self) -> EndReason {
        match self {
            Self::Session(_) => EndReason::SessionKilled,
            Self::Grant(_) | Self::Token { .. } | Self::Secret { .. } => EndReason::LinkRevoked,
            Self::Key(_) => EndReason::KeyRevoked,
            Self::Instance { .. } => EndReason::InstanceRemoved,
            Self::Address { .. } => EndReason::DeviceOffline,
        }
    }

    fn is_about(&self, target: &ConsoleTarget) -> bool {
        match self {
            Self::Session(session) => target.hold.session == *session,
            Self::Grant(grant) => target.grant.id == *grant,
            Self::Key(key) => target.grant.key.as_ref() == Some(key),
            Self::Instance { uid, .. } => target.grant.instance_uid == *uid,
            // A console to a removed address finds no device there.
            Self::Address { .. } => false,
            Self::Token { .. } | Self::Secret { .. } => {
                let Grant { key, dialect, made_with, .. } = &target.grant;
                self.made(key.as_ref(), *dialect, made_with)
            }
        }
    }

    /// Returns whether the revoked token or secret made a grant. A grant of the key whose secret is
    /// unknown counts as made with the revoked one.
    pub(crate) fn made(&self, by: Option<&AccessKeyId>, dialect: Dialect, with: &MadeWith) -> bool {
        match self {
            Self::Token { token, keeping } => with.token == Some(*token) && *keeping != Some(dialect),
            Self::Secret { key, secret } => match with.secret {
                Some(own) => own == *secret,
                None => by == Some(key),
            },
            _ => false,
        }
    }
}

/// A revocation with everything that the store needs to record it.
#[derive(Clone, Debug)]
pub(crate) struct Revocation {
    pub(crate) what: Revoked,
    /// The only project that it may affect. `None` means all projects.
    pub(crate) within: Option<ProjectId>,
    pub(crate) audit: AuditEntry,
}

impl Revocation {
    /// Returns the project of the caller. `None` means the operator.
    fn owner(&self) -> Option<ProjectId> {
        self.audit.project.filter(|_| self.audit.actor != Actor::Operator)
    }

    /// Returns whether both have the same effect on the store.
    fn is_same(&self, other: &Self) -> bool {
        self.what == other.what && self.within == other.within
    }
}

/// The revocations that the store has not recorded yet.
#[derive(Default)]
pub(crate) struct HeldRevocations(Mutex<Held>);

#[derive(Default)]
struct Held {
    serial: u64,
    all: Vec<Pending>,
}

struct Pending {
    serial: u64,
    since: Instant,
    /// True if the database was unavailable, so the heartbeat must write it.
    owed: bool,
    revocation: Revocation,
}

impl HeldRevocations {
    /// Holds a revocation until it is lifted. An equal one is held once and lifted for all callers,
    /// since the database has decided it. Returns `None` if there are too many, in all or of its
    /// project. Other projects then still have room.
    pub(crate) fn hold(&self, revocation: &Revocation, per_project: usize) -> Option<u64> {
        let mut held = self.0.lock();
        if let Some(same) = held.all.iter().find(|pending| pending.revocation.is_same(revocation)) {
            return Some(same.serial);
        }
        let owner = revocation.owner();
        let owners = || held.all.iter().map(|pending| pending.revocation.owner());
        let of_kind = owners().filter(|other| other.is_some() == owner.is_some()).count();
        let of_owner = owners().filter(|other| *other == owner).count();
        if of_kind >= MOST || owner.is_some() && of_owner >= per_project {
            return None;
        }
        held.serial += 1;
        let serial = held.serial;
        held.all.push(Pending { serial, since: Instant::now(), owed: false, revocation: revocation.clone() });
        Some(serial)
    }

    /// Removes a revocation that the store has recorded or rejected.
    pub(crate) fn lift(&self, serial: u64) {
        self.0.lock().all.retain(|pending| pending.serial != serial);
    }

    /// Marks a revocation as owed to the database. Returns false if it was owed before.
    pub(crate) fn owe(&self, serial: u64) -> bool {
        let mut held = self.0.lock();
        let pending = held.all.iter_mut().find(|pending| pending.serial == serial);
        pending.is_some_and(|pending| !std::mem::replace(&mut pending.owed, true))
    }

    /// Returns the next revocation that is owed or whose caller no longer waits.
    pub(crate) fn due(&self) -> Option<(u64, Revocation)> {
        let held = self.0.lock();
        let due =
            held.all.iter().find(|pending| pending.owed || pending.since.elapsed() > 2 * OPERATION_DEADLINE);
        due.map(|pending| (pending.serial, pending.revocation.clone()))
    }

    /// Returns the reason to refuse a session, if a held revocation concerns it.
    pub(crate) fn against(&self, target: &ConsoleTarget) -> Option<EndReason> {
        let held = self.0.lock();
        let found = held.all.iter().find(|pending| pending.revocation.what.is_about(target));
        found.map(|pending| pending.revocation.what.reason())
    }

    /// Returns whether a revocation of this access key is held.
    pub(crate) fn has_key(&self, key: &AccessKeyId) -> bool {
        let held = self.0.lock();
        held.all.iter().any(|pending| matches!(&pending.revocation.what, Revoked::Key(own) if own == key))
    }

    /// Returns whether a removal of this cloud address is held.
    pub(crate) fn has_address(&self, address: &CloudAddress) -> bool {
        let held = self.0.lock();
        held.all.iter().any(
            |pending| matches!(&pending.revocation.what, Revoked::Address { address: own, .. } if own == address),
        )
    }

    /// Returns whether a revocation is held of this API token of the key, or of the credential that
    /// obtained it.
    pub(crate) fn has_token(&self, key: &AccessKeyId, shown: &MadeWith) -> bool {
        let held = self.0.lock();
        held.all.iter().any(|pending| match &pending.revocation.what {
            Revoked::Token { token, .. } => shown.token == Some(*token),
            what => what.made(Some(key), Dialect::Api, shown),
        })
    }

    /// Returns whether a retirement of this secret is held.
    pub(crate) fn has_secret(&self, secret: Uuid) -> bool {
        let held = self.0.lock();
        held.all.iter().any(
            |pending| matches!(&pending.revocation.what, Revoked::Secret { secret: own, .. } if *own == secret),
        )
    }
}

#[cfg(test)]
mod tests {
    use transom_model::audit::Origin;
    use transom_model::dialect::Dialect;

    use transom_model::audit_action::AuditAction;

    use super::*;

    const PER_PROJECT: usize = 3;

    fn of(owner: Option<u128>, n: u128) -> Revocation {
        let project = ProjectId(Uuid::from_u128(owner.unwrap_or(7)));
        let audit = AuditEntry {
            request: None,
            actor: owner.map_or(Actor::Operator, |_| Actor::Viewer),
            dialect: Dialect::Api,
            action: AuditAction::SessionKill,
            target: String::new(),
            outcome: "ok",
            project: Some(project),
            grant: None,
            session: None,
            detail: None,
            origin: Origin::default(),
        };
        let within = owner.map(|_| project);
        Revocation { what: Revoked::Session(SessionId(Uuid::from_u128(n))), within, audit }
    }

    #[test]
    fn a_project_keeps_so_many_and_no_other_notices() {
        let revocations = HeldRevocations::default();
        let kept = |owner: Option<u128>| {
            (0..).take_while(|n| revocations.hold(&of(owner, *n), PER_PROJECT).is_some()).count()
        };
        assert_eq!((kept(Some(1)), kept(Some(2))), (PER_PROJECT, PER_PROJECT));
        let of_others = |n| {
            let revocation = of(Some(3 + n), n);
            Pending { serial: u64::MAX, since: Instant::now(), owed: false, revocation }
        };
        let room = MOST - 2 * PER_PROJECT;
        revocations.0.lock().all.extend((0..room as u128).map(of_others));
        assert_eq!(kept(Some(1_000_000)), 0, "of all projects");
        let operator =
            (0..=PER_PROJECT as u128).all(|n| revocations.hold(&of(None, n), PER_PROJECT).is_some());
        assert!(operator, "the operator's own");
        // An equal one is held once, even if the list is full.
        let serial = revocations.hold(&of(Some(1), 0), PER_PROJECT);
        assert_eq!((serial, revocations.hold(&of(Some(1), 0), PER_PROJECT)), (Some(1), Some(1)));
        assert!(revocations.owe(1) && !revocations.owe(1));
        revocations.lift(1);
        assert!(!revocations.owe(1));
        assert!(revocations.hold(&of(Some(1), 0), PER_PROJECT).is_some());
    }
}
