//! The commit of a session, after the instance has sent its screen.

use transom_model::EndReason;
use transom_model::audit::AuditEntry;

use super::{ConsoleTarget, Hold, allowed, moved, standing, verdict};
use crate::audit::write_down;
use crate::database::{Connection, raced, sql};
use crate::revision::raise;
use crate::{Result, Store, StoreError};

/// The outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// The session is live. It was still permitted after its registration.
    Live,
    /// The session is over for this connection: it was revoked, killed, removed or taken over.
    Ended(EndReason),
}

impl Store {
    /// Makes a reserved or detached session live, unless its grant, key or instance no longer
    /// permits it, or it was killed.
    ///
    /// The caller must register the connection so that [`to_end`](Self::to_end)'s results reach it,
    /// then commit, then forward data. A revocation either precedes this read or raises the
    /// revision after it. The audit entry gets the outcome `ok` or the end reason's code. An ended
    /// session's use is not returned.
    pub async fn commit(&self, hold: Hold, audit: &AuditEntry) -> Result<Commit> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { commit(db, hold, audit).await })).await
    }

    /// Commits a session like [`commit`](Self::commit), but without waiting for the disk. It is for
    /// a session whose use is not counted: if the write is lost, no use can be taken twice.
    /// [`to_end`](Self::to_end) finds a session that is no longer permitted.
    pub async fn commit_soon(&self, target: &ConsoleTarget, audit: &AuditEntry) -> Result<()> {
        let (hold, audit) = (target.hold, audit.clone());
        if target.draft.as_ref().is_some_and(|draft| draft.begin(&audit)) {
            return Ok(());
        }
        self.post(move |db| Box::pin(async move { commit_or_call(db, hold, audit).await })).await
    }
}

async fn commit(db: &mut Connection<'_>, hold: Hold, audit: AuditEntry) -> Result<Commit> {
    let committed = match go_live(db, hold).await? {
        true => Commit::Live,
        false => Commit::Ended(refuse(db, hold).await?),
    };
    let outcome = match committed {
        Commit::Live => "ok",
        Commit::Ended(reason) => reason.code(),
    };
    write_down(db, &AuditEntry { outcome, ..audit }).await?;
    Ok(committed)
}

async fn commit_or_call(db: &mut Connection<'_>, hold: Hold, audit: AuditEntry) -> Result<()> {
    if go_live(db, hold).await? {
        return write_down(db, &audit).await;
    }
    // The connection is already open, so the node must check it.
    raise(db).await.map(drop)
}

/// Makes the session live. Returns false if it is not permitted.
async fn go_live(db: &mut Connection<'_>, hold: Hold) -> Result<bool> {
    const GO_LIVE: &str = concat!(
        "UPDATE sessions SET state = 'live', lapses_at = NULL \
         WHERE id = $1 AND turn = $2 AND state <> 'ended' AND kill_reason IS NULL AND EXISTS (",
        allowed!("sessions.grant_id", "sessions.place"),
        ")"
    );
    Ok(db.run(sql(GO_LIVE).bind(hold.session).bind(hold.turn)).await? == 1)
}

/// Returns the reason why the session cannot go live. Ends the session if this hold is entitled to.
async fn refuse(db: &mut Connection<'_>, hold: Hold) -> Result<EndReason> {
    const WHY: &str = concat!(
        "SELECT sessions.end_reason, sessions.turn, ",
        verdict!(),
        ", ",
        moved!(),
        " FROM ",
        standing!(),
        " WHERE sessions.id = $1"
    );
    const END: &str = "UPDATE sessions SET state = 'ended', end_reason = $3, lapses_at = NULL, \
        ended_at = (SELECT now FROM clock) WHERE id = $1 AND turn = $2 AND state <> 'ended'";

    let row = db.first(sql(WHY).bind(hold.session)).await?;
    let mut row = row.ok_or(StoreError::NotFound("session"))?;
    if let Some(reason) = row.parsed_or_null()? {
        return Ok(reason);
    }
    if row.value::<i64>()? != hold.turn {
        return Ok(EndReason::TakenOver);
    }
    let Some(reason) = row.parsed_or_null::<EndReason>()? else {
        // The page returns and dials again. No reason means that the session changed between the
        // two statements.
        return row.parsed_or_null()?.ok_or_else(raced);
    };
    db.run(sql(END).bind(hold.session).bind(hold.turn).bind(reason)).await?;
    Ok(reason)
}
