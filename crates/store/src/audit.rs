//! The audit: written with every change and read in commit order.

use std::net::IpAddr;

use transom_model::audit::{Actor, AuditEntry, AuditRecord, UserAgent};
use transom_model::id::{GrantId, ProjectId, RequestId, SessionId};

use crate::database::{Connection, Row, sql};
use crate::{Page, Result, Store};

/// A search for audit records. A record must match every condition that is set.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Matches this project.
    pub project: Option<ProjectId>,
    /// Matches this grant.
    pub grant: Option<GrantId>,
    /// Matches this session.
    pub session: Option<SessionId>,
    /// Matches this call.
    pub request: Option<RequestId>,
    /// Matches calls whose ids end with this text, which people can read out. The query scans every
    /// record.
    pub request_end: Option<String>,
    /// Matches this source address.
    pub source: Option<IpAddr>,
    /// The position at which the result starts.
    pub start: AuditStart,
}

/// A starting position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditStart {
    /// The newest records, up to the limit.
    #[default]
    Newest,
    /// The oldest records.
    Oldest,
    /// The records after this `seq`, for paging and following. Numbers become visible in order, so
    /// a follower receives every record.
    After(i64),
}

impl Store {
    /// Records an event that changes nothing else.
    pub async fn audit(&self, entry: &AuditEntry) -> Result<()> {
        let entry = entry.clone();
        self.write(move |db| Box::pin(async move { write_down(db, &entry).await })).await
    }

    /// Records an event like [`audit`](Self::audit), but returns before the record is on the disk.
    pub async fn audit_soon(&self, entry: &AuditEntry) -> Result<()> {
        let entry = entry.clone();
        self.post(move |db| Box::pin(async move { write_down(db, &entry).await })).await
    }

    /// Returns at most `limit` audit records (and at most [`Page::MAX`]), in ascending order.
    pub async fn audit_records(&self, query: &AuditQuery, limit: u32) -> Result<Vec<AuditRecord>> {
        let (after, order) = match query.start {
            AuditStart::Newest => (None, " ORDER BY seq DESC LIMIT "),
            AuditStart::Oldest => (None, " ORDER BY seq LIMIT "),
            AuditStart::After(seq) => (Some(seq), " ORDER BY seq LIMIT "),
        };
        let end = query.request_end.as_ref().map(|end| end.to_ascii_lowercase());
        let records =
            sql("SELECT seq, at, request_id, actor, dialect, action, target, outcome, project_id, \
             grant_id, session_id, detail, source, user_agent FROM audit WHERE 1 = 1")
            .push_some(" AND project_id = ", query.project)
            .push_some(" AND grant_id = ", query.grant)
            .push_some(" AND session_id = ", query.session)
            .push_some(" AND request_id = ", query.request.as_ref())
            .push_some(" AND lower(substr(request_id, length(request_id) - 7)) = ", end.as_deref())
            .push_some(" AND source = ", query.source)
            .push_some(" AND seq > ", after)
            .push_value(order, limit.min(Page::MAX));
        let mut records = self.all(records).await?.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        records.sort_unstable_by_key(|record| record.seq);
        Ok(records)
    }

    /// Returns the distinct origins of a grant's sessions, with their programs: the newest `limit`
    /// of them (and at most [`Page::MAX`]), in order of arrival.
    pub async fn session_origins(&self, grant: GrantId, limit: u32) -> Result<Vec<SessionOrigin>> {
        const ORIGINS: &str = "SELECT session_id, source, user_agent FROM audit \
            WHERE session_id IS NOT NULL AND source IS NOT NULL AND action IN ('session.start', 'session.fail')";
        let origins = sql(ORIGINS)
            .push_value(" AND grant_id = ", grant)
            .push(" GROUP BY session_id, source, user_agent")
            .push_value(" ORDER BY MAX(seq) DESC LIMIT ", limit.min(Page::MAX));
        let read = |mut row: Row| {
            Ok(SessionOrigin { session: row.parsed()?, source: row.parsed()?, user_agent: row.value()? })
        };
        let mut origins = self.all(origins).await?.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        origins.reverse();
        Ok(origins)
    }
}

/// The origin of an attempt to open a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOrigin {
    /// The session.
    pub session: SessionId,
    /// The viewer's address.
    pub source: IpAddr,
    /// The viewer program's own description of itself.
    pub user_agent: Option<String>,
}

/// Writes the record of a change within the change's transaction. Call it last: on PostgreSQL, the
/// next transaction that writes a record waits from here until this one has committed.
pub(crate) async fn write_down(db: &mut Connection<'_>, entry: &AuditEntry) -> Result<()> {
    write_down_all(db, [entry]).await
}

/// Writes the records of several changes, in this order. See [`write_down`].
pub(crate) async fn write_down_all<'a>(
    db: &mut Connection<'_>,
    entries: impl IntoIterator<Item = &'a AuditEntry>,
) -> Result<()> {
    const INSERT: &str = "INSERT INTO audit (at, request_id, actor, dialect, action, target, outcome, project_id, \
        grant_id, session_id, detail, source, user_agent)";
    // Every value of a statement has a number, and both databases limit the numbers.
    const AT_ONCE: usize = 250;
    let entries: Vec<_> = entries.into_iter().collect();
    for some in entries.chunks(AT_ONCE) {
        let mut insert = sql(INSERT);
        for (number, entry) in some.iter().enumerate() {
            insert = insert
                .push(if number == 0 { " VALUES " } else { ", " })
                .push_value("((SELECT now FROM clock), ", entry.request.as_ref())
                .push_value(", ", &entry.actor)
                .push_value(", ", entry.dialect)
                .push_value(", ", entry.action.as_str())
                .push_value(", ", entry.target.as_str())
                .push_value(", ", entry.outcome)
                .push_value(", ", entry.project)
                .push_value(", ", entry.grant)
                .push_value(", ", entry.session)
                .push_value(", ", entry.detail.as_deref())
                .push_value(", ", entry.origin.source)
                .push_value(", ", entry.origin.user_agent.as_ref().map(UserAgent::as_str))
                .push(")");
        }
        db.run(insert).await?;
    }
    Ok(())
}

/// Writes the record of a session that Transom ended.
pub(crate) async fn write_down_end(db: &mut Connection<'_>, session: SessionId) -> Result<()> {
    const INSERT: &str = "INSERT INTO audit (at, actor, dialect, action, target, outcome, project_id, grant_id, \
        session_id) SELECT (SELECT now FROM clock), $1, grants.dialect, 'session.end', grants.instance_id, \
        sessions.end_reason, sessions.project_id, grants.id, sessions.id \
        FROM sessions JOIN grants ON grants.id = sessions.grant_id WHERE sessions.id = $2";
    db.run(sql(INSERT).bind(&Actor::Transom).bind(session)).await.map(drop)
}

fn read(mut row: Row) -> Result<AuditRecord> {
    Ok(AuditRecord {
        seq: row.value()?,
        at: row.time()?,
        request: row.value()?,
        actor: row.value()?,
        dialect: row.value()?,
        action: row.value()?,
        target: row.value()?,
        outcome: row.value()?,
        project: row.parsed_or_null()?,
        grant: row.parsed_or_null()?,
        session: row.parsed_or_null()?,
        detail: row.value()?,
        source: row.parsed_or_null()?,
        user_agent: row.value()?,
    })
}
