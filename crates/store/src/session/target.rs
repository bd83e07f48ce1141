//! The target of a hold, and whether the hold may lead to it.

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

/// The target of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleTarget {
    /// The hold, which commit, give back, detach and end require.
    pub hold: Hold,
    /// The session's state before this hold: `Live` if another connection is being taken over.
    pub state: SessionState,
    /// The session's age by the database's clock.
    pub age: Duration,
    /// The time left until the grant ends its sessions; `None` without such a limit.
    pub ends_in: Option<Duration>,
    /// The grant of the session.
    pub grant: Grant,
    /// The instance to dial. `None` for a console of another cloud, which names its endpoint.
    pub instance: Option<Instance>,
    /// The time until which the newest ticket can resume the session. `None` while the session is
    /// live, or without a ticket.
    pub ticket_expires_at: Option<Timestamp>,
    /// The reservation, if it may still be waiting to be written.
    pub(crate) draft: Option<DraftOf>,
}

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
        // A clock that was set back must not make the age negative.
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
