//! What a hold leads to, and whether it may.

use std::time::Duration;

use transom_model::Timestamp;
use transom_model::grant::Grant;
use transom_model::id::SessionId;
use transom_model::instance::Instance;
use transom_model::session::SessionState;

use super::draft::DraftOf;
use super::{Hold, read_state};
use crate::Result;
use crate::database::Row;

/// What a hold leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleTarget {
    /// What commit, give back, detach and end need.
    pub hold: Hold,
    /// What state the session was in: `Live` where another connection is being taken over.
    pub state: SessionState,
    /// How long ago the session was made, by the database's clock.
    pub age: Duration,
    /// How long the session may still last, where its grant ends.
    pub ends_in: Option<Duration>,
    /// The grant it lives under.
    pub grant: Grant,
    /// The instance to dial; none: the grant is for a console of another cloud, which says where it is.
    pub instance: Option<Instance>,
    /// Until when the newest ticket brings the page back; none: while it is live, or without a ticket.
    pub ticket_expires_at: Option<Timestamp>,
    /// The reservation, where nobody waited for it.
    pub(crate) draft: Option<DraftOf>,
}

/// A session with what decides over it. Neither the key nor the instance need be there.
macro_rules! standing {
    () => {
        "sessions JOIN grants ON grants.id = sessions.grant_id \
         LEFT JOIN access_keys ON access_keys.id = grants.key_id \
         LEFT JOIN instances ON instances.uid = grants.instance_uid"
    };
}
pub(crate) use standing;

/// Why a session may not go on, or NULL. The words are `EndReason`s' codes.
macro_rules! verdict {
    () => {
        "COALESCE(sessions.kill_reason, CASE WHEN grants.revoked_at IS NOT NULL THEN 'grant-revoked' \
         WHEN grants.ends_at <= (SELECT now FROM clock) THEN 'link-ended' \
         WHEN access_keys.revoked_at IS NOT NULL THEN 'key-revoked' \
         WHEN instances.uid IS NULL AND grants.foreign_token IS NULL THEN 'instance-removed' \
         WHEN sessions.place < instances.held_from THEN 'endpoint-changed' END)"
    };
}
pub(crate) use verdict;

/// Why a session that may go on must dial again, or NULL. The word is an `EndReason`'s code.
macro_rules! moved {
    () => {
        "CASE WHEN sessions.place < instances.place THEN 'instance-moved' END"
    };
}
pub(crate) use moved;

/// Whether a grant may have live sessions that lead to this place, as a subquery: it finds the grant where nothing forbids
/// it.
macro_rules! allowed {
    ($grant:literal, $place:literal) => {
        concat!(
            "SELECT 1 FROM grants LEFT JOIN instances ON instances.uid = grants.instance_uid \
             LEFT JOIN access_keys ON access_keys.id = grants.key_id \
             WHERE grants.revoked_at IS NULL AND access_keys.revoked_at IS NULL \
             AND (grants.ends_at IS NULL OR grants.ends_at > (SELECT now FROM clock)) \
             AND (instances.uid IS NOT NULL OR grants.foreign_token IS NOT NULL) \
             AND (instances.uid IS NULL OR instances.place = ",
            $place,
            ") AND grants.id = ",
            $grant
        )
    };
}
pub(super) use allowed;

/// The columns of a [`ConsoleTarget`], to be selected from `standing` where `verdict` is NULL.
macro_rules! target_columns {
    () => {
        concat!(
            "sessions.id, sessions.turn, sessions.state, (SELECT now FROM clock) - sessions.created_at, \
             CASE WHEN sessions.ticket IS NOT NULL THEN sessions.lapses_at END, \
             grants.ends_at - (SELECT now FROM clock), ",
            $crate::grant::grant_columns!(),
            ", ",
            $crate::instance::instance_columns!()
        )
    };
}
pub(super) use target_columns;

pub(super) fn read(row: &mut Row) -> Result<ConsoleTarget> {
    let mut target = ConsoleTarget {
        hold: Hold { session: row.parsed::<SessionId>()?, turn: row.value()? },
        state: read_state(row)?,
        // A database's clock that was set back must not make a session that was never made.
        age: Duration::from_micros(row.value::<i64>()?.try_into().unwrap_or(0)),
        ticket_expires_at: row.time_or_null()?,
        ends_in: row.span_or_null()?,
        grant: crate::grant::read(row)?,
        instance: None,
        draft: None,
    };
    if target.grant.foreign.is_none() {
        target.instance = Some(crate::instance::read(row)?);
    }
    Ok(target)
}
