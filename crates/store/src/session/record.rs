//! Session records: lookup and lists.

use std::cmp::Reverse;

use transom_model::Timestamp;
use transom_model::id::{GrantId, ProjectId, SessionId};
use transom_model::session::{Session, SessionState};

use crate::database::{Row, sql};
use crate::{Page, Result, Store, StoreError};

const SELECT: &str = "SELECT sessions.id, sessions.grant_id, sessions.project_id, grants.instance_id, \
    grants.key_id, sessions.node_id, sessions.state, sessions.viewer, sessions.created_at, sessions.ended_at, sessions.end_reason, \
    sessions.bytes_to_viewer, sessions.bytes_to_instance \
    FROM sessions JOIN grants ON grants.id = sessions.grant_id WHERE 1 = 1";

/// `within` restricts an operation to sessions of this project; `None` permits any session.
impl Store {
    /// Returns a session.
    pub async fn session(&self, within: Option<ProjectId>, id: SessionId) -> Result<Option<Session>> {
        let session = sql(SELECT)
            .push_value(" AND sessions.id = ", id)
            .push_some(" AND sessions.project_id = ", within);
        self.first(session).await?.map(read).transpose()
    }

    /// Lists at most `limit` sessions of a grant, the newest first. Sessions that are open, or
    /// ended at or after `since`, precede all others.
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

    /// Returns whether a grant has an open session.
    pub async fn has_open_session(&self, grant: GrantId) -> Result<bool> {
        let open = sql("SELECT 1 FROM sessions WHERE state <> 'ended'")
            .push_value(" AND grant_id = ", grant)
            .push(" LIMIT 1");
        Ok(self.first(open).await?.is_some())
    }

    /// Lists sessions, the newest first. `only_open` selects those that have not ended.
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
    let mut session = Session {
        id: row.parsed()?,
        grant: row.parsed()?,
        project: row.parsed()?,
        instance: row.parsed()?,
        key: row.parsed_or_null()?,
        node: row.parsed()?,
        state: read_state(&mut row)?,
        viewer: row.value()?,
        created_at: row.time()?,
        ended_at: row.time_or_null()?,
        end_reason: row.parsed_or_null()?,
        bytes_to_viewer: row.count()?,
        bytes_to_instance: row.count()?,
        uncounted: false,
    };
    // A connection's bytes are recorded at its end.
    session.uncounted = session.state == SessionState::Live;
    Ok(session)
}

pub(crate) fn read_state(row: &mut Row) -> Result<SessionState> {
    let word: String = row.value()?;
    SessionState::ALL
        .into_iter()
        .find(|state| state.as_str() == word)
        .ok_or_else(|| StoreError::Corrupt("a session's state".to_owned()))
}
