//! Sessions: reserve, commit, give back, detach, end, and the tickets that bring a page back.
//!
//! ```text
//! reserve ─→ Reserved ─commit─→ Live ─detach─→ Detached ─present_ticket, commit─→ Live
//!               └─give_back──→ Ended ←─ end, sweep ─┘
//! ```
//! A session may be carried by one connection after the other. Each carries it under a [`Hold`]; a newer hold makes
//! the older ones powerless, so that a connection which was taken over cannot end or detach its successor's session.

mod commit;
mod draft;
mod ending;
mod reservation;
mod sweep;
mod target;
mod ticket;

use std::cmp::Reverse;

use transom_model::Timestamp;
use transom_model::id::{GrantId, ProjectId, SessionId};
use transom_model::session::{Session, SessionState};

pub use commit::Commit;
pub use ending::{Ending, Traffic};
pub(crate) use ending::{Waiting, end_waiting};
pub use reservation::{NewSession, Reservation};
pub use sweep::Swept;
pub(crate) use sweep::{adopt, bury};
pub use target::ConsoleTarget;
use target::allowed;
pub(crate) use target::{moved, standing, verdict};
pub use ticket::{NewTicket, TicketOutcome};

use crate::database::{Row, sql};
use crate::{Page, Result, Store, StoreError};

/// One connection's hold on a session. Only the newest hold may change the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The session.
    pub session: SessionId,
    /// Rises each time the session is presented.
    pub turn: i64,
}

const SELECT: &str = "SELECT sessions.id, sessions.grant_id, sessions.project_id, grants.instance_id, \
    sessions.node_id, sessions.state, sessions.viewer, sessions.created_at, sessions.ended_at, sessions.end_reason, \
    sessions.bytes_to_viewer, sessions.bytes_to_instance \
    FROM sessions JOIN grants ON grants.id = sessions.grant_id WHERE 1 = 1";

/// `within`: only a session of this project is found; `None`: of any.
impl Store {
    /// One session.
    pub async fn session(&self, within: Option<ProjectId>, id: SessionId) -> Result<Option<Session>> {
        let session = sql(SELECT)
            .push_value(" AND sessions.id = ", id)
            .push_some(" AND sessions.project_id = ", within);
        self.first(session).await?.map(read).transpose()
    }

    /// Sessions of a grant, the newest first, at most `limit`: those that are open, or have ended `since` then, before all others.
    pub async fn sessions_of_grant(
        &self,
        grant: GrantId,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Session>> {
        let sessions = sql(SELECT)
            .push_value(" AND sessions.grant_id = ", grant)
            .push_value(" ORDER BY CASE WHEN sessions.state <> 'ended' OR sessions.ended_at >= ", since)
            .push_value(" THEN 0 ELSE 1 END, sessions.id DESC LIMIT ", limit.min(Page::MAX));
        let sessions = self.all(sessions).await?.into_iter().map(read);
        let mut sessions = sessions.collect::<Result<Vec<_>>>()?;
        sessions.sort_unstable_by_key(|session| Reverse(session.id.0));
        Ok(sessions)
    }

    /// Whether a grant has a session that has not ended.
    pub async fn has_open_session(&self, grant: GrantId) -> Result<bool> {
        let open = sql("SELECT 1 FROM sessions WHERE state <> 'ended'")
            .push_value(" AND grant_id = ", grant)
            .push(" LIMIT 1");
        Ok(self.first(open).await?.is_some())
    }

    /// Sessions, the newest first. `only_open`: those that have not ended.
    pub async fn sessions(
        &self,
        within: Option<ProjectId>,
        page: Page,
        only_open: bool,
    ) -> Result<Vec<Session>> {
        let sessions = sql(SELECT)
            .push(if only_open { " AND sessions.state <> 'ended'" } else { "" })
            .push_some(" AND sessions.project_id = ", within)
            .push_some(" AND sessions.id < ", page.after)
            .push_value(" ORDER BY sessions.id DESC LIMIT ", page.limit);
        self.all(sessions).await?.into_iter().map(read).collect()
    }
}

fn read(mut row: Row) -> Result<Session> {
    Ok(Session {
        id: row.parsed()?,
        grant: row.parsed()?,
        project: row.parsed()?,
        instance: row.parsed()?,
        node: row.parsed()?,
        state: read_state(&mut row)?,
        viewer: row.value()?,
        created_at: row.time()?,
        ended_at: row.time_or_null()?,
        end_reason: row.parsed_or_null()?,
        bytes_to_viewer: row.count()?,
        bytes_to_instance: row.count()?,
    })
}

pub(crate) fn read_state(row: &mut Row) -> Result<SessionState> {
    let word: String = row.value()?;
    SessionState::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| StoreError::Corrupt("a session's state".to_owned()))
}
