//! The watch: ends sessions that are no longer allowed, and forgets what is old.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use transom_model::end_reason::End;
use transom_store::{Retention, ToEnd};

use super::App;

/// What is revoked on another node ends here within a second: half of it for the poll, half for the rest.
const POLL: Duration = Duration::from_millis(500);
/// Old rows are deleted in small pieces, so that no writer waits long.
const FORGET: Duration = Duration::from_secs(60);
const FORGET_ROWS: u32 = 200;
/// A token that was ours is known as such for a day longer than it is valid: nobody else needs to be asked about it.
const FORGET_TOKENS: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until told to stop.
pub async fn run(app: Arc<App>, stop: CancellationToken) {
    let mut poll = interval(POLL);
    let mut forget = interval(FORGET);
    let mut seen = None;
    loop {
        let done = tokio::select! {
            // Forgetting comes last: however much there is of it, what is revoked ends within its second.
            biased;
            () = stop.cancelled() => return,
            () = app.changed.notified() => app.enforce(&mut seen).await,
            _ = poll.tick() => app.enforce_if_changed(&mut seen).await,
            _ = forget.tick() => app.forget().await.map(|more| {
                if more {
                    forget.reset_immediately();
                }
            }),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the watch could not do its round; it tries again");
        }
    }
}

/// Rounds that do not hurry to make up for a late one.
pub(super) fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

impl App {
    /// Ends this node's sessions that the store no longer allows, and tells the other nodes that it has.
    async fn enforce(&self, seen: &mut Option<i64>) -> super::Result<()> {
        // Read before looking: what changes meanwhile is the next round's.
        let revision = self.store.revision().await?;
        for ToEnd { hold, reason } in self.store.to_end(self.fence.last().id).await? {
            // A session that no connection carries has nobody to tell; the sweep ends it.
            self.live.cut(hold, End::from(reason));
        }
        self.enforce_devices().await?;
        self.tell_listeners(revision);
        if *seen != Some(revision) {
            self.store.note_enforced(self.fence.last(), revision).await?;
            *seen = Some(revision);
        }
        Ok(())
    }

    async fn enforce_if_changed(&self, seen: &mut Option<i64>) -> super::Result<()> {
        if *seen != Some(self.store.revision().await?) {
            self.enforce(seen).await?;
        }
        self.look_for_presence().await
    }

    /// Deletes some of what is old; whether there may be more.
    async fn forget(&self) -> super::Result<bool> {
        self.failures.tidy();
        self.cloud_guesses.tidy();
        self.device_guesses.tidy();
        self.viewer_guesses.tidy();
        self.log_budget.tidy();
        let retention = &self.config.retention;
        let now = self.store.now().await?;
        let old = Retention {
            grants_before: now.minus(retention.links.0),
            audit_before: now.minus(retention.audit.0),
            limit: FORGET_ROWS,
        };
        let deleted = self.store.delete_old(old).await?;
        let tokens = self.store.delete_expired_tokens(FORGET_TOKENS, FORGET_ROWS).await?;
        // Of a spent one it can be asked as long as of a grant.
        let enrollments =
            self.store.delete_old_enrollments(now.minus(retention.links.0), FORGET_ROWS).await?;
        let signatures = self.store.delete_old_signatures(FORGET_ROWS).await?;
        Ok([deleted.grants, deleted.audit_records, tokens, enrollments, signatures]
            .iter()
            .any(|rows| *rows >= FORGET_ROWS.into()))
    }
}
