//! Audit records of devices that join, leave, and disconnect each other. A device that does so
//! repeatedly is recorded only a few times per minute.

use transom_model::audit::{Actor, AuditEntry};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::Rival;
use transom_store::Joining;
use transom_tunnel::Role;

use crate::devices::Devices;
use crate::devices::member::Member;
use crate::devices::records::device_entry;
use crate::devices::refusals::gone;

const REPLACED: &str = "another machine has taken its place";

/// A description of the joining peer.
pub(crate) struct Arrival(String);

impl Arrival {
    pub(crate) fn of(joining: &Joining) -> Self {
        Self(match joining {
            Joining::Ticket(_) => "a device with a repeater ticket".to_owned(),
            Joining::Password { program, report, .. } => {
                let program = program.as_deref().unwrap_or("an unnamed program");
                match &report.host_name {
                    Some(host) => format!("{program} on {host}"),
                    None => program.to_owned(),
                }
            }
        })
    }
}

impl Devices {
    pub(crate) async fn note_join(&self, member: &Member, who: &Arrival) {
        self.note(member, AuditAction::DeviceJoin, &who.0).await;
    }

    /// Disconnects the previous agent at an address. The refusal tells it whether its credential is
    /// void.
    pub(crate) async fn drive_out(&self, old: &Member, new: &Member) {
        if old.has_shown_what(new) {
            if old.supersede() {
                self.note_supersession(old).await;
            }
        } else if old.end_for_good(gone(REPLACED)) {
            self.note(old, AuditAction::DeviceSentAway, REPLACED).await;
        }
    }

    /// Audits that another agent has replaced this one.
    pub(crate) async fn note_supersession(&self, old: &Member) {
        self.note(old, AuditAction::DeviceSupersede, "another one has joined in its place").await;
    }

    /// Records two machines with one identity that disconnect each other in turn. A person has to
    /// decide which of them owns it.
    pub(crate) async fn note_rival(&self, member: &Member, who: &Arrival, rival: &Rival) {
        let other = rival.host_name.as_deref().unwrap_or("an unnamed machine");
        let place = rival.source.map_or_else(String::new, |source| format!(" at {source}"));
        let detail = format!("two machines have this identity: {}, and {other}{place}", who.0);
        if self.note(member, AuditAction::DeviceRivals, &detail).await {
            tracing::warn!(address = %member.address, source = ?member.origin.source, "{detail}");
        }
    }

    pub(crate) async fn note_leave(&self, member: &Member, why: &str) {
        let is_told_otherwise = member.superseded.load(std::sync::atomic::Ordering::Acquire);
        // The server's own shutdown is not audited as leaves of its devices.
        if !is_told_otherwise && !self.joined.table.lock().closing {
            self.note(member, AuditAction::DeviceLeave, why).await;
        }
    }

    async fn note(&self, member: &Member, action: AuditAction, detail: &str) -> bool {
        let is_news =
            member.role == Role::Agent && self.core.log_budget.is_news_to(&member.address, action.as_str());
        if is_news {
            let entry = AuditEntry {
                actor: Actor::Transom,
                detail: Some(detail.to_owned()),
                ..device_entry(action, &member.address, member.project, &member.origin)
            };
            self.audit_device(&entry).await;
        }
        is_news
    }
}
