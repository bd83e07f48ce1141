//! Joining: a peer proves that it holds an address. The newest agent replaces the previous one.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use transom_model::audit::{Actor, AuditEntry, Origin, UserAgent};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::{
    Action, AddressRecord, CloudAddress, DeviceReport, ITERATIONS, SALT, ScramProof, Verifier,
};
use transom_model::name;
use transom_store::{Joined, Joining};
use transom_tunnel::{Refusal, RefusalCode, Report, Retry, Role};

use crate::devices::Devices;
use crate::devices::member::{Member, ORDERS, Order, Shown};
use crate::devices::records::device_entry;
use crate::devices::refusals::{gone, unavailable};
use crate::devices::table::one_less;
use crate::devices::trail::Arrival;
use crate::error::{Error, Result};
use crate::vault::Purpose;

/// The delay after a simultaneous change of the password. The next attempt meets the new state.
const CHANGED_MEANWHILE: Duration = Duration::from_secs(1);
/// The delay for a source after too many wrong passwords.
const TOO_MANY: Duration = Duration::from_secs(10);

/// A peer that claims an address and has not proved it yet.
#[derive(Debug)]
pub struct Candidate {
    /// The address. `None` if it does not exist.
    known: Option<AddressRecord>,
    /// The verifier for its proof. An unknown address has a verifier that no password fits.
    verifier: Verifier,
}

impl Candidate {
    /// The salt for its proof.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.verifier.salt
    }

    /// Returns the number of iterations of the key derivation.
    #[must_use]
    pub fn iterations(&self) -> NonZeroU32 {
        self.verifier.iterations
    }
}

/// The way in which a peer wants to join.
#[derive(Debug)]
pub struct Wish {
    /// The side of a session that it joins as.
    pub role: Role,
    /// True if it accepts no peer that could read the data, such as the server.
    pub end_to_end_only: bool,
    /// The program's name and version, as the peer reports them.
    pub program: String,
    /// The agent's report on its machine.
    pub report: Option<Report>,
}

impl Wish {
    /// Returns the stored form of the program's name, which comes from outside and appears in
    /// terminals.
    fn program(&self) -> Option<String> {
        let shown = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
        Some(self.program.chars().filter(shown).collect::<String>()).filter(|name| !name.trim().is_empty())
    }

    /// Returns the stored form of the report, which also comes from outside.
    fn report(&self) -> DeviceReport {
        let Some(Report { host_name, run, key, targets }) = &self.report else {
            return DeviceReport::default();
        };
        let texts =
            targets.iter().map(|target| name::without_hidden(target)).filter(|target| !target.is_empty());
        DeviceReport {
            host_name: Some(name::without_hidden(host_name)).filter(|name| !name.is_empty()),
            targets: texts.collect(),
            key: Some(key.to_string()),
            run: Some(hex::encode(run)),
        }
    }
}

/// The role in which a verified peer joins.
pub(crate) enum Joins {
    /// A device.
    Agent(Joining),
    /// A viewer's program.
    Connector,
}

impl Devices {
    /// Looks an address up. An unknown address also gets a salt, always the same one, and takes the
    /// same work, so neither the challenge nor its duration reveals that it is unknown.
    pub async fn device_candidate(&self, address: &str) -> Result<Candidate> {
        let known = match address.parse::<CloudAddress>() {
            Ok(address) => self.core.store.standing_address(&address).await?,
            Err(_) => None,
        };
        let made_up = self.core.vault.sign(Purpose::DeviceChallenge, address.as_bytes());
        Ok(match known {
            Some((record, verifier)) => Candidate { known: Some(record), verifier },
            None => {
                let (salt, iterations) = (made_up[..SALT].to_vec(), ITERATIONS);
                let verifier = Verifier { salt, iterations, stored_key: made_up, server_key: made_up };
                Candidate { known: None, verifier }
            }
        })
    }

    /// Joins a peer that has proved its address. Returns its membership and the server's own proof.
    pub async fn device_join(
        self: &Arc<Self>,
        candidate: Candidate,
        wish: &Wish,
        proof: &ScramProof,
        auth_message: &str,
        source: IpAddr,
    ) -> Result<(Membership, [u8; 32]), Refusal> {
        let Candidate { known, verifier } = candidate;
        let proved = verifier.accepts(proof, auth_message.as_bytes());
        let Some(record) = known.filter(|_| proved) else {
            return Err(self.failed_join(source));
        };
        let (program, report, end_to_end_only) = (wish.program(), wish.report(), wish.end_to_end_only);
        let (wanted, joins) = match wish.role {
            Role::Agent => {
                (Action::Listen, Joins::Agent(Joining::Password { end_to_end_only, program, report }))
            }
            Role::Connector => (Action::Connect, Joins::Connector),
        };
        if record.reach.action() != wanted {
            let detail = match wanted {
                Action::Connect => {
                    "it is a listen address, for a device; use a connect address: transom address add --key ID --action connect"
                }
                Action::Listen => {
                    "it is a connect address, for a viewer; use a listen address: transom address add --key ID --action listen"
                }
            };
            return Err(Refusal::from(RefusalCode::CloudAuthenticationFailed).because(detail));
        }
        let signature = verifier.server_signature(auth_message.as_bytes());
        let before = record.device.program.clone();
        let origin = Origin { user_agent: UserAgent::read(wish.program.as_bytes()), ..Origin::of(source) };
        let membership = self.admit(record, Shown::Password(verifier), joins, origin).await?;
        if wish.role == Role::Agent {
            self.note_program(membership.member(), before, wish.program()).await;
        }
        Ok((membership, signature))
    }

    /// Audits a change of the program that a device runs. The first join is not a change.
    async fn note_program(&self, member: &Member, before: Option<String>, now: Option<String>) {
        let Some(before) = before.filter(|before| Some(before) != now.as_ref()) else { return };
        let now = now.unwrap_or_else(|| "an unnamed program".to_owned());
        let entry = AuditEntry {
            actor: Actor::Transom,
            detail: Some(format!("{now} has joined; the previous program was {before}")),
            ..device_entry(AuditAction::DeviceProgram, &member.address, member.project, &member.origin)
        };
        self.audit_device(&entry).await;
    }

    pub(crate) fn failed_join(&self, source: IpAddr) -> Refusal {
        if self.access.is_news_of(source) {
            tracing::warn!(%source, "a device's or a viewer's proof of its address failed");
        }
        match self.access.failed_attempt(source, Error::Unauthenticated("")) {
            Error::RateLimited => Refusal {
                retry: Retry::After(TOO_MANY),
                ..Refusal::from(RefusalCode::CloudConnectivityError).because("too many failed attempts")
            },
            _ => RefusalCode::CloudAuthenticationFailed.into(),
        }
    }

    pub(crate) async fn admit(
        self: &Arc<Self>,
        record: AddressRecord,
        shown: Shown,
        joins: Joins,
        origin: Origin,
    ) -> Result<Membership, Refusal> {
        let role = match &joins {
            Joins::Agent(_) => Role::Agent,
            Joins::Connector => Role::Connector,
        };
        let (orders, ordered) = mpsc::channel(ORDERS);
        let address = record.address;
        let member = Arc::new(Member {
            serial: self.joined.next_serial(),
            role,
            address,
            project: record.project,
            key: record.key,
            shown,
            epoch: AtomicU64::new(0),
            origin,
            superseded: AtomicBool::new(false),
            orders,
        });
        {
            let mut table = self.joined.table.lock();
            if table.closing {
                return Err(
                    Refusal::from(RefusalCode::CloudConnectivityError).because("the server is shutting down")
                );
            }
            if role == Role::Connector {
                let most = self.core.config.limits.device_sessions_per_address;
                let joined = table.connectors.entry(member.address.clone()).or_default();
                if *joined >= most {
                    return Err(Refusal::from(RefusalCode::CloudConnectivityError)
                        .because(format!("{most} viewers are already connected under this address")));
                }
                *joined += 1;
            }
            // The member is in the table before its join is written. A later reset finds it there,
            // and an earlier one fails the join.
            table.members.insert(member.serial, Arc::clone(&member));
        }
        let membership = Membership { devices: Arc::clone(self), member, ordered };
        let admitted = match joins {
            // The member is in the table before this check, so a simultaneous revocation finds it
            // there.
            _ if self.revocations.held.has_key(&membership.member.key) => {
                Err(gone("its access key was revoked"))
            }
            _ if self.revocations.held.has_address(&membership.member.address) => {
                Err(gone("the address was removed"))
            }
            Joins::Agent(joining) => self.register(&membership.member, record.version, joining).await,
            Joins::Connector => self.still_stands(&membership.member).await,
        };
        match admitted {
            Ok(()) => Ok(membership),
            Err(refusal) => {
                membership.leave("it was not admitted").await;
                Err(refusal)
            }
        }
    }

    async fn register(&self, member: &Arc<Member>, version: u64, joining: Joining) -> Result<(), Refusal> {
        let rounds = || self.joined.rounds.load(Ordering::Acquire);
        let before = rounds();
        let node = self.core.node().map_err(unavailable)?;
        let who = Arrival::of(&joining);
        let joined =
            self.core.store.join_address(&member.address, version, node.id, joining, &member.origin).await;
        let Joined { epoch, rival } = joined.map_err(unavailable)?.ok_or_else(changed_meanwhile)?;
        member.epoch.store(epoch, Ordering::Release);
        if self.core.fence.node() != Some(node) {
            // The node was fenced meanwhile, and everything that it carried was cut.
            return Err(changed_meanwhile());
        }
        if rounds() != before
            && let Some(refusal) = self.no_longer_joined(member).await.map_err(unavailable)?
        {
            // The address was changed, or a newer agent joined at another node, and enforcement has
            // not seen the epoch.
            return Err(refusal);
        }
        let superseded = {
            let mut table = self.joined.table.lock();
            match table.listening.get(&member.address) {
                // Two agents joined at the same time, and the other join was written later.
                Some(other) if other.epoch.load(Ordering::Acquire) > epoch => Some(Arc::clone(member)),
                _ => table.listening.insert(member.address.clone(), Arc::clone(member)),
            }
        };
        self.note_join(member, &who).await;
        if let Some(old) = superseded {
            self.drive_out(&old, member).await;
        }
        if let Some(rival) = rival {
            self.note_rival(member, &who, &rival).await;
        }
        self.joined.movements.send_modify(|count| *count += 1);
        self.joined.listeners.ring();
        Ok(())
    }

    /// Checks a connector's credential again once it is in the table. The store does not record its
    /// join, so the store cannot detect a simultaneous change.
    async fn still_stands(&self, member: &Member) -> Result<(), Refusal> {
        let standing = self.core.store.standing_address(&member.address).await.map_err(unavailable)?;
        match standing {
            Some((record, verifier)) if member.stands(&record, &verifier) => Ok(()),
            _ => Err(changed_meanwhile()),
        }
    }
}

fn changed_meanwhile() -> Refusal {
    Refusal {
        retry: Retry::After(CHANGED_MEANWHILE),
        ..Refusal::from(RefusalCode::CloudConnectivityError).because("the address was changed meanwhile")
    }
}

/// A member's place in the table of joined peers. Dropping it frees the place.
pub struct Membership {
    devices: Arc<Devices>,
    member: Arc<Member>,
    ordered: mpsc::Receiver<Order>,
}

impl Membership {
    /// Returns the member.
    #[must_use]
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Waits for the next order. Cancel-safe.
    pub async fn order(&mut self) -> Order {
        match self.ordered.recv().await {
            Some(order) => order,
            // The member holds the sender.
            None => std::future::pending().await,
        }
    }

    /// Frees the place. If the store recorded the join, it now records the departure and its
    /// reason.
    pub async fn leave(self, why: &str) {
        let (devices, member) = (Arc::clone(&self.devices), Arc::clone(&self.member));
        drop(self);
        let epoch = member.epoch.load(Ordering::Acquire);
        if member.role == Role::Connector || epoch == 0 {
            return;
        }
        devices.write_leave(&member.address, epoch).await;
        devices.note_leave(&member, why).await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut table = self.devices.joined.table.lock();
        table.members.remove(&self.member.serial);
        if self.member.role == Role::Connector {
            one_less(&mut table.connectors, &self.member.address);
        }
        // A newer agent may be registered under the same address.
        if table.listening.get(&self.member.address).is_some_and(|other| Arc::ptr_eq(other, &self.member)) {
            table.listening.remove(&self.member.address);
            drop(table);
            self.devices.joined.movements.send_modify(|count| *count += 1);
        }
    }
}
