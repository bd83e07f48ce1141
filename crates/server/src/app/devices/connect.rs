//! Connecting: the access rule, and who is told what.

use transom_model::EndReason;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::cloud::access::{CrossKey, Party, Verdict, judge};
use transom_model::cloud::{AddressRecord, CloudAddress};
use transom_model::end_reason::End;
use transom_model::grant::Dialect;
use transom_model::id::ProjectId;
use transom_tunnel::{Fault, Refusal};

use super::Member;
use super::join::unavailable;
use crate::app::App;
use crate::app::error::Result;

impl App {
    /// Whether this connector may reach that address. Of what is not its own key's it learns nothing: an address of
    /// another key, an unknown one and what is no address at all are all not found.
    pub async fn judge_connection(&self, connector: &Member, peer: &str) -> Result<AddressRecord, Refusal> {
        let Ok(peer) = peer.parse::<CloudAddress>() else { return Err(Fault::CloudTargetNotFound.into()) };
        let verdict = self.judge_addresses(&connector.address, &peer).await;
        match verdict.map_err(|error| unavailable(&error))? {
            (Verdict::Allowed, Some(record)) => Ok(record),
            (Verdict::Refused, _) => Err(Fault::CloudConnectionRefused.into()),
            _ => Err(Fault::CloudTargetNotFound.into()),
        }
    }

    /// The verdict on two addresses as they are now.
    pub(super) async fn judge_addresses(
        &self,
        connector: &CloudAddress,
        listener: &CloudAddress,
    ) -> Result<(Verdict, Option<AddressRecord>)> {
        let (connector, listener) =
            (self.standing_address(connector).await?, self.standing_address(listener).await?);
        let (Some((connector, _)), Some((listener, _))) = (connector, listener) else {
            return Ok((Verdict::NotFound, None));
        };
        Ok((judge(party(&connector), party(&listener), CrossKey::Deny), Some(listener)))
    }

    /// Whether consoles of this project may lead to that address: the grant stands in for the access rule, but the
    /// address must be the same project's.
    pub(crate) async fn console_may_reach(
        &self,
        project: ProjectId,
        address: &CloudAddress,
    ) -> Result<(), End> {
        let found = self.standing_address(address).await.map_err(|error| {
            tracing::warn!(%error, "a cloud address could not be looked up");
            End::from(EndReason::StoreUnavailable)
        })?;
        match found {
            Some((record, _)) if record.project == project && is_listener(&record) => Ok(()),
            Some(_) => Err(End::new(
                EndReason::EndpointNotAllowed,
                "the cloud address is not one of this project that listens",
            )),
            None => Err(End::new(EndReason::DeviceOffline, "there is no such cloud address")),
        }
    }

    /// Writes down that a connector got a session with a device, or did not.
    pub(crate) async fn audit_connection(
        &self,
        connector: &CloudAddress,
        listener: &CloudAddress,
        project: Option<ProjectId>,
        outcome: &'static str,
    ) {
        let entry = AuditEntry {
            request: None,
            actor: Actor::Viewer,
            dialect: Dialect::VncCloud,
            action: "device.connect",
            target: listener.to_string(),
            outcome,
            project,
            grant: None,
            session: None,
            detail: Some(format!("from {connector}")),
        };
        if let Err(error) = self.store.audit(&entry).await {
            tracing::warn!(%error, "a connection could not be written down");
        }
    }
}

fn is_listener(record: &AddressRecord) -> bool {
    record.reach.action() == transom_model::cloud::Action::Listen
}

fn party(record: &AddressRecord) -> Party<'_> {
    Party { address: &record.address, key: &record.key, reach: &record.reach }
}
