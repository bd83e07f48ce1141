//! Connecting: applies the access rule, and limits what a refusal reveals.

use std::sync::Arc;

use transom_model::EndReason;
use transom_model::audit::{AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::access::{CrossKey, Party, Verdict, judge};
use transom_model::cloud::{AddressRecord, CloudAddress, Verifier};
use transom_model::end_reason::End;
use transom_model::id::ProjectId;
use transom_tunnel::{Refusal, RefusalCode};

use crate::devices::Devices;
use crate::devices::member::Member;
use crate::devices::records::device_entry;
use crate::devices::refusals::{gone, unavailable};
use crate::error::Result;

/// A listen address that may be reached, in its state at the time of the check.
#[derive(Debug)]
pub struct Listener {
    /// The address.
    pub record: AddressRecord,
    verifier: Verifier,
}

impl Devices {
    /// Checks whether this connector may reach that address. It cannot distinguish an address of
    /// another key from an unknown one: both are not found.
    pub async fn judge_connection(
        &self,
        connector: &Member,
        peer: &CloudAddress,
    ) -> Result<Listener, Refusal> {
        let own = self.core.store.standing_address(&connector.address).await.map_err(unavailable)?;
        // The password may have changed since the proof, even if this node has not seen the change.
        let Some((own, _)) = own.filter(|(record, verifier)| connector.stands(record, verifier)) else {
            return Err(gone("its password was reset, or the address removed"));
        };
        let cross_key = self.core.config.cloud.cross_key();
        let found = match cross_key {
            // The look-up is within the key, so its duration does not reveal other keys' addresses.
            CrossKey::Deny => self.core.store.standing_address_of(&own.key, peer).await,
            CrossKey::AllowIndividuals => self.core.store.standing_address(peer).await,
        };
        let Some((record, verifier)) = found.map_err(unavailable)? else {
            return Err(RefusalCode::CloudTargetNotFound.into());
        };
        match judge(party(&own), party(&record), cross_key) {
            Verdict::Allowed => Ok(Listener { record, verifier }),
            Verdict::Refused => Err(RefusalCode::CloudConnectionRefused.into()),
            Verdict::NotFound => Err(RefusalCode::CloudTargetNotFound.into()),
        }
    }

    /// Judges two addresses in their current state, regardless of the joined peers.
    pub(crate) async fn judge_addresses(
        &self,
        connector: &CloudAddress,
        listener: &CloudAddress,
    ) -> Result<Verdict> {
        let (connector, listener) = (
            self.core.store.standing_address(connector).await?,
            self.core.store.standing_address(listener).await?,
        );
        let (Some((connector, _)), Some((listener, _))) = (connector, listener) else {
            return Ok(Verdict::NotFound);
        };
        Ok(judge(party(&connector), party(&listener), self.core.config.cloud.cross_key()))
    }

    /// Checks whether consoles of this project may lead to that address. The grant replaces the
    /// access rule, but the address must belong to the same project.
    pub async fn console_may_reach(
        &self,
        project: ProjectId,
        address: &CloudAddress,
    ) -> Result<Listener, End> {
        let found = self.core.store.standing_address_in(project, address).await.map_err(|error| {
            tracing::warn!(%error, "a cloud address could not be looked up");
            End::from(EndReason::StoreUnavailable)
        })?;
        match found {
            Some((record, verifier)) if is_listener(&record) => Ok(Listener { record, verifier }),
            Some(_) => {
                Err(End::new(EndReason::EndpointNotAllowed, "the cloud address is not a listen address"))
            }
            // An address of another project is treated as unknown, so the caller does not learn
            // that it exists.
            None => Err(End::new(EndReason::DeviceOffline, "the project has no such cloud address")),
        }
    }

    /// Returns the agent at this address: it joined with the address's current password or ticket
    /// and is not superseded at another node.
    #[must_use]
    pub fn reached_at(&self, listener: &Listener) -> Option<Arc<Member>> {
        let member = self.joined.listening(&listener.record.address);
        member.filter(|member| {
            member.stands(&listener.record, &listener.verifier)
                && !member.is_older_than(listener.record.presence.epoch)
        })
    }

    /// Returns the agent that a connector can reach at this address. A device with the repeater's
    /// protocol has no end-to-end encryption, so it is refused.
    pub fn reached_by_connector(&self, listener: &Listener) -> Result<Arc<Member>, Refusal> {
        let member = self.reached_at(listener).ok_or(RefusalCode::CloudTargetNotFound)?;
        if member.is_legacy() {
            return Err(Refusal::from(RefusalCode::DeviceRefused).because(
                "it joined by a repeater ticket, without end-to-end encryption: open it by a console URL or a repeater viewer ID",
            ));
        }
        Ok(member)
    }

    /// Audits the start of a connector's session with a device.
    pub async fn audit_connection(&self, connector: &Member, listener: &CloudAddress, project: ProjectId) {
        let detail = format!("from {}", connector.address);
        self.audit_opening(listener, project, "ok", detail, &connector.origin).await;
    }

    /// Audits a refused connection in the connector's project, without revealing another project's
    /// device. Repeated records are limited to a few per minute.
    pub async fn audit_refusal(&self, connector: &Member, listener: &CloudAddress, why: &Refusal) {
        let outcome = why.code.name();
        if self.core.log_budget.is_news_to(&connector.address, outcome) {
            let detail = format!("from {}", connector.address);
            self.audit_opening(listener, connector.project, outcome, detail, &connector.origin).await;
        }
    }

    /// Audits the opening of a device, or the failure to open it.
    pub async fn audit_opening(
        &self,
        listener: &CloudAddress,
        project: ProjectId,
        outcome: &'static str,
        detail: String,
        origin: &Origin,
    ) {
        let entry = device_entry(AuditAction::DeviceConnect, listener, project, origin);
        self.audit_device(&AuditEntry { outcome, detail: Some(detail), ..entry }).await;
    }

    /// Audits the end of a session with a device.
    pub async fn audit_disconnection(
        &self,
        listener: &CloudAddress,
        project: ProjectId,
        how: &'static str,
        detail: String,
        origin: &Origin,
    ) {
        let entry = device_entry(AuditAction::DeviceDisconnect, listener, project, origin);
        self.audit_device(&AuditEntry { outcome: how, detail: Some(detail), ..entry }).await;
    }

    pub(crate) async fn audit_device(&self, entry: &AuditEntry) {
        if let Err(error) = self.core.store.audit_soon(entry).await {
            tracing::warn!(%error, "an event of a device could not be recorded");
        }
    }
}

fn is_listener(record: &AddressRecord) -> bool {
    record.reach.action() == transom_model::cloud::Action::Listen
}

fn party(record: &AddressRecord) -> Party<'_> {
    Party { address: &record.address, key: &record.key, reach: &record.reach }
}
