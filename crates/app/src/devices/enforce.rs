//! Enforcement: after every change in the store, each joined peer must still be authenticated and
//! every session must still be allowed. A password reset disconnects the agent and leaves its
//! sessions alone; a removal or a new rule ends them.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::CloudAddress;
use transom_model::cloud::access::Verdict;
use transom_model::id::ProjectId;
use transom_tunnel::{Refusal, RefusalCode};

use crate::devices::Devices;
use crate::devices::member::{Member, Shown};
use crate::devices::records::device_entry;
use crate::devices::refusals::gone;
use crate::devices::table::Viewer;
use crate::error::Result;

impl Devices {
    /// Ends the joined connections and sessions that the store no longer allows, and audits their
    /// ends.
    pub(crate) async fn enforce_devices(&self) -> Result<()> {
        let mut ended = self.end_members().await?;
        ended.extend(self.end_sessions().await?);
        // The audit may fail, so it comes after all ends.
        for entry in ended {
            self.core.store.audit(&entry).await?;
        }
        Ok(())
    }

    async fn end_members(&self) -> Result<Vec<AuditEntry>> {
        self.joined.rounds.fetch_add(1, Ordering::AcqRel);
        let members: Vec<_> = self.joined.table.lock().members.values().cloned().collect();
        // One query covers all agents: there may be many, and a change affects few of them.
        let standing = if members.len() > FEW {
            self.core.store.standing_at(self.core.fence.last().id).await?
        } else {
            Vec::new()
        };
        let standing: HashMap<_, _> =
            standing.into_iter().map(|(address, epoch, verifier)| (address, (epoch, verifier))).collect();
        let mut ended = Vec::new();
        for member in members {
            let known = standing.get(&member.address);
            if let (Shown::Password(shown), Some((epoch, verifier))) = (&member.shown, known)
                && shown == verifier
                && !member.is_older_than(*epoch)
            {
                continue;
            }
            if let Some(refusal) = self.no_longer_joined(&member).await? {
                if refusal.code == RefusalCode::Superseded {
                    if member.supersede() {
                        self.note_supersession(&member).await;
                    }
                    continue;
                }
                tracing::info!(address = %member.address, %refusal, "a device is disconnected");
                let detail = refusal.detail.clone();
                if member.end_for_good(refusal) {
                    ended.push(entry(
                        AuditAction::DeviceSentAway,
                        &member.address,
                        member.project,
                        detail,
                        &member.origin,
                    ));
                }
            }
        }
        Ok(ended)
    }

    async fn end_sessions(&self) -> Result<Vec<AuditEntry>> {
        let sessions: Vec<_> = {
            let table = self.joined.table.lock();
            let entries = table.sessions.values();
            entries.map(|entry| (entry.viewer.clone(), entry.listener.clone(), entry.cut.clone())).collect()
        };
        let mut ended = Vec::new();
        for (viewer, listener, cut) in sessions {
            let (allowed, from, project, origin) = match viewer {
                Viewer::Connector { address, project, origin, .. } => {
                    let verdict = self.judge_addresses(&address, &listener).await?;
                    (verdict == Verdict::Allowed, address.to_string(), project, origin)
                }
                Viewer::Gateway { who, project, origin } => {
                    let standing = self.core.store.standing_address(&listener).await?;
                    let allowed = standing.is_some_and(|(record, _)| record.project == project);
                    (allowed, who, project, origin)
                }
            };
            if !allowed && !cut.is_cancelled() {
                tracing::info!(address = %listener, "a device's session is no longer allowed");
                let detail = format!("from {from}: no longer allowed");
                ended.push(entry(AuditAction::DeviceCut, &listener, project, Some(detail), &origin));
                cut.cancel();
            }
        }
        Ok(ended)
    }

    pub(crate) async fn no_longer_joined(&self, member: &Member) -> Result<Option<Refusal>> {
        Ok(match self.core.store.standing_address(&member.address).await? {
            None => Some(gone("the address was removed, or its access key revoked")),
            Some((record, verifier)) if !member.stands(&record, &verifier) => {
                Some(gone(if member.is_legacy() {
                    "its ticket was revoked"
                } else {
                    "its password was reset"
                }))
            }
            Some((record, _)) if record.reach.action() != member.action() => {
                Some(gone("its action was changed"))
            }
            Some((record, _)) if member.is_older_than(record.presence.epoch) => {
                Some(RefusalCode::Superseded.into())
            }
            Some((record, _))
                if member.is_of(record.presence.epoch)
                    && record.presence.node != Some(self.core.fence.last().id) =>
            {
                // The store considers the device gone. Joining again corrects that.
                Some(
                    Refusal::from(RefusalCode::CloudConnectivityError)
                        .because("the server considered it offline"),
                )
            }
            Some(_) => None,
        })
    }
}

/// Up to this number of members, a query for each is as fast as one for all.
const FEW: usize = 8;

fn entry(
    action: AuditAction,
    listener: &CloudAddress,
    project: ProjectId,
    detail: Option<String>,
    origin: &Origin,
) -> AuditEntry {
    let entry = device_entry(action, listener, project, origin);
    AuditEntry { actor: Actor::Transom, detail, ..entry }
}
