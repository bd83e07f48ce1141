//! Commit: the instance has shown its screen, and the session may go live if it still may.

use transom_model::EndReason;
use transom_model::audit::AuditEntry;

use super::{ConsoleTarget, Hold, allowed, moved, standing, verdict};
use crate::audit::write_down;
use crate::database::{Connection, raced, sql};
use crate::revision::raise;
use crate::{Result, Store, StoreError};

/// What became of a session whose instance has shown its screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// It is live, and was allowed to be after it was registered.
    Live,
    /// It is over, for this connection: it was revoked, killed or removed meanwhile, or taken over.
    Ended(EndReason),
}

impl Store {
    /// Makes a reserved or detached session live, unless its grant, key, instance or a kill forbids it by now.
    ///
    /// Register the connection so that [`to_end`](Self::to_end)'s findings reach it, then commit, then pump: a
    /// revocation comes either before this reads, or raises the revision afterwards. The audit entry is written with
    /// the outcome `ok` or the end reason's code. An ended session's use is not given back.
    pub async fn commit(&self, hold: Hold, audit: &AuditEntry) -> Result<Commit> {
        let audit = audit.clone();
        self.write(move |db| Box::pin(async move { commit(db, hold, audit).await })).await
    }

    /// As [`commit`](Self::commit), for a session whose use is not counted: nothing could be used twice if it were
    /// lost, so nobody waits for the disk. What forbids the session by now is found by [`to_end`](Self::to_end).
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
    // Its connection is open already: the node must look at it.
    raise(db).await.map(drop)
}

/// Whether the session is live now: nothing forbids it.
async fn go_live(db: &mut Connection<'_>, hold: Hold) -> Result<bool> {
    const GO_LIVE: &str = concat!(
        "UPDATE sessions SET state = 'live', lapses_at = NULL \
         WHERE id = $1 AND turn = $2 AND state <> 'ended' AND kill_reason IS NULL AND EXISTS (",
        allowed!("sessions.grant_id", "sessions.place"),
        ")"
    );
    Ok(db.run(sql(GO_LIVE).bind(hold.session).bind(hold.turn)).await? == 1)
}

/// Why the session cannot go live; ends it where that is this hold's to do.
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
        // Its page comes back and dials again. No reason left: it changed between the two statements.
        return row.parsed_or_null()?.ok_or_else(raced);
    };
    db.run(sql(END).bind(hold.session).bind(hold.turn).bind(reason)).await?;
    Ok(reason)
}
