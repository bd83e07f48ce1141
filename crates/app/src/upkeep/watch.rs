//! The watch: ends sessions that are no longer allowed, and deletes old rows.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use transom_model::end_reason::End;
use transom_store::{Retention, ToEnd};

use crate::upkeep::Upkeep;

/// The interval of the poll. A revocation on another node takes effect here within a second: half
/// for the poll, half for the rest.
const POLL: Duration = Duration::from_millis(500);
/// The interval of deletions. Each deletes few rows, so no writer waits long.
const FORGET: Duration = Duration::from_secs(60);
const FORGET_ROWS: u32 = 200;
/// The time for which an expired token is still recognised, so that the existing cloud is not asked
/// about it.
const FORGET_TOKENS: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs the watch until `stop` is cancelled.
pub async fn run(upkeep: Arc<Upkeep>, stop: CancellationToken) {
    let mut poll = interval(POLL);
    let mut forget = interval(FORGET);
    let mut seen = None;
    loop {
        let done = tokio::select! {
            // Deletion comes last, so that any amount of it does not delay a revocation.
            biased;
            () = stop.cancelled() => return,
            () = upkeep.core.signals.rung() => upkeep.enforce(&mut seen).await,
            _ = poll.tick() => upkeep.enforce_if_changed(&mut seen).await,
            _ = forget.tick() => upkeep.forget().await.map(|more| {
                if more {
                    forget.reset_immediately();
                }
            }),
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the check for revocations and old data failed; retrying");
        }
    }
}

/// Creates an interval that does not make up for late ticks.
pub(crate) fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

impl Upkeep {
    /// Ends this node's sessions that the store no longer allows, and records that for the other
    /// nodes.
    async fn enforce(&self, seen: &mut Option<i64>) -> crate::Result<()> {
        // Read the revision first, so that a change meanwhile causes another round.
        let revision = self.core.store.revision().await?;
        for ToEnd { hold, reason } in self.core.store.to_end(self.core.fence.last().id).await? {
            // The sweep ends a session that no connection carries.
            self.live.cut(hold, End::from(reason));
        }
        self.devices.enforce_devices().await?;
        self.devices.tell_listeners(revision);
        if *seen != Some(revision) {
            self.core.store.note_enforced(self.core.fence.last(), revision).await?;
            *seen = Some(revision);
        }
        Ok(())
    }

    async fn enforce_if_changed(&self, seen: &mut Option<i64>) -> crate::Result<()> {
        if *seen != Some(self.core.store.revision().await?) {
            self.enforce(seen).await?;
        }
        self.devices.look_for_presence().await
    }

    /// Deletes some old rows, and idle entries of budgets. Returns whether there may be more.
    async fn forget(&self) -> crate::Result<bool> {
        self.access.failures.tidy();
        self.existing_cloud.cloud_guesses.tidy();
        self.devices.device_guesses.tidy();
        self.devices.viewer_guesses.tidy();
        self.core.log_budget.tidy();
        let retention = &self.core.config.retention;
        let now = self.core.store.now().await?;
        let old = Retention {
            grants_before: now.minus(retention.links.0),
            audit_before: now.minus(retention.audit.0),
            limit: FORGET_ROWS,
        };
        let deleted = self.core.store.delete_old(old).await?;
        let tokens = self.core.store.delete_expired_tokens(FORGET_TOKENS, FORGET_ROWS).await?;
        // Spent enrollments remain as long as links, so they can still be looked up.
        let enrollments =
            self.core.store.delete_old_enrollments(now.minus(retention.links.0), FORGET_ROWS).await?;
        let signatures = self.core.store.delete_old_signatures(FORGET_ROWS).await?;
        Ok([deleted.grants, deleted.audit_records, tokens, enrollments, signatures]
            .iter()
            .any(|rows| *rows >= FORGET_ROWS.into()))
    }
}
