//! Revoking: ends sessions and devices at this node, and writes the revocation to the store.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;
use transom_model::end_reason::End;
use transom_store::Guarded;

use crate::error::{Error, Result};
use crate::revocations::Revocations;
use crate::revocations::held::{Revocation, Revoked};

/// The longest wait for the database before sessions are cut, since they must end within a second.
const CUT_ANYWAY: Duration = Duration::from_millis(500);

impl Revocations {
    /// Applies a revocation. Returns whether there was anything to end.
    ///
    /// Fails if the database is unavailable, but the revocation then holds at this node until it is
    /// written. If too many are owed already, the current sessions still end, but the revocation
    /// does not hold.
    pub(crate) async fn revoke(&self, revocation: Revocation) -> Result<bool> {
        let what = revocation.what.clone();
        // Hold it first, so that it also refuses sessions that begin from now on.
        let serial = self.held.hold(&revocation, self.core.config.limits.node.owed_per_project);
        let lift = || serial.into_iter().for_each(|serial| self.held.lift(serial));
        let mut writing = pin!(self.write_revocation(&revocation));
        let mut cut = false;
        let written = match timeout(CUT_ANYWAY, &mut writing).await {
            Ok(written) => written,
            Err(_) => {
                self.cut_revoked(&what);
                cut = true;
                writing.await
            }
        };
        match written {
            Ok(done) => {
                lift();
                self.core.signals.ring();
                if cut && !done {
                    // The sessions that were cut have recorded their own ends, so the store found
                    // no target and wrote no audit record.
                    self.core.store.audit(&revocation.audit).await?;
                }
                Ok(done || cut)
            }
            Err(error @ Error::Unavailable(_)) => {
                self.cut_revoked(&what);
                match serial {
                    Some(serial) if self.held.owe(serial) => {
                        tracing::warn!(%error, ?what, "a revocation is in effect on this node, but not yet in the database");
                    }
                    None if error.is_news() => {
                        tracing::warn!(%error, ?what, "a revocation ended open sessions, but was not saved, because too many are pending: revoke again later");
                    }
                    Some(_) | None => {}
                }
                Err(error)
            }
            Err(error) => {
                lift();
                Err(error)
            }
        }
    }

    /// Writes the revocations that are owed. Only the heartbeat calls this, before it writes the
    /// ends that they caused.
    pub(crate) async fn settle_revocations(&self) {
        while let Some((serial, revocation)) = self.held.due() {
            match self.write_revocation(&revocation).await {
                Err(Error::Unavailable(_)) => return,
                Err(error) => {
                    tracing::error!(%error, what = ?revocation.what, "a revocation could not be recorded")
                }
                Ok(true) => {
                    tracing::info!(what = ?revocation.what, "a pending revocation is now in the database")
                }
                Ok(false) => {
                    if let Err(error) = self.core.store.audit(&revocation.audit).await {
                        tracing::error!(%error, "a revocation could not be written to the audit");
                    }
                }
            }
            self.held.lift(serial);
            self.core.signals.ring();
        }
    }

    async fn write_revocation(&self, revocation: &Revocation) -> Result<bool> {
        let Revocation { what, within, audit } = revocation;
        Ok(match what {
            Revoked::Session(session) => self.core.store.kill(*within, *session, audit).await?,
            Revoked::Grant(grant) => self.core.store.revoke_grant(*within, *grant, audit).await?,
            Revoked::Key(key) => self.core.store.revoke_key(*within, key, audit).await?,
            Revoked::Instance { project, id, .. } => {
                self.core.store.remove_instance(*project, id, audit).await?
            }
            Revoked::Address { address, scope, condition } => {
                match self.core.store.remove_address(scope, address, condition.clone(), audit).await? {
                    Guarded::Done(_) => true,
                    Guarded::Missing => false,
                    Guarded::Stale => return Err(Error::Stale),
                }
            }
            Revoked::Token { token, keeping } => {
                self.core.store.revoke_token(*token, *keeping, audit).await?
            }
            Revoked::Secret { key, secret } => {
                // If another node was quicker, the older of two secrets is no longer the intended
                // one.
                let active = self.core.store.key_secrets(key).await?;
                let is_older = active.len() > 1 && active.last().is_some_and(|own| own.id == *secret);
                if is_older {
                    self.core.store.retire_key_secret(*within, key, audit).await?;
                }
                is_older
            }
        })
    }

    fn cut_revoked(&self, what: &Revoked) {
        let end = End::from(what.reason());
        match what {
            Revoked::Session(session) => self.live.cut_those(&end, |own, _| own == *session),
            Revoked::Grant(grant) => self.live.cut_those(&end, |_, of| of.grant == *grant),
            Revoked::Key(key) => {
                self.live.cut_those(&end, |_, of| of.key.as_ref() == Some(key));
                self.joined.cut_key(key);
                self.joined.look_again();
            }
            Revoked::Instance { uid, .. } => self.live.cut_those(&end, |_, of| of.instance == *uid),
            Revoked::Address { address, .. } => self.joined.cut_address(address),
            Revoked::Token { .. } | Revoked::Secret { .. } => {
                self.live.cut_those(&end, |_, of| what.made(of.key.as_ref(), of.dialect, &of.made_with));
                self.joined.look_again();
            }
        }
    }
}
