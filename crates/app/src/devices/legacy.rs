//! Devices and viewers with the UltraVNC repeater's protocol. They present a text instead of
//! proving a password.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use transom_model::Timestamp;
use transom_model::access_key::Role as Needed;
use transom_model::audit::{AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::cloud::{Action, AddressRecord, CloudAddress};
use transom_model::id::ProjectId;
use transom_model::secret::{Secret, TokenDigest};
use transom_store::{Joining, NewViewerId, StoreError};
use transom_tunnel::{Refusal, RefusalCode};

use crate::devices::Devices;
use crate::devices::cloud_addresses::AddressCall;
use crate::devices::join::{Joins, Membership};
use crate::devices::member::Shown;
use crate::devices::refusals::unavailable;
use crate::error::{Error, Result};
use crate::random;
use crate::vault::Purpose;

/// The lifetime of a viewer's ID: long enough to copy a number into a viewer.
const VIEWER_ID_TTL: Duration = Duration::from_secs(5 * 60);
/// The maximum number of unused viewers' IDs per access key. A team opens its devices one after the
/// other, and more open numbers would only make guessing easier.
const VIEWER_IDS_PER_KEY: u32 = 100;
/// The number of draws for a free number. There are two billion numbers, so a few draws suffice.
const DRAWS: u32 = 8;
/// The length of a ticket that is a text. 24 characters of 31 are 118 bits.
const TEXT: usize = 24;
/// Letters and digits that are not easily confused. UltraVNC sends upper case.
const ALPHABET: &[u8; 31] = b"23456789ABCDEFGHJKLMNPQRSTUVWXY";
/// The range of numeric tickets and IDs. UltraVNC takes a smaller number for a port, and reads a
/// signed integer of 32 bits.
const NUMBERS: std::ops::Range<u32> = 100_000_000..2_147_483_647;
/// The number with which UltraVNC marks a connection to be dropped.
const RESERVED: u32 = 999_999_999;

impl Devices {
    /// Issues a repeater ticket, which replaces the address's current one and cannot be read again
    /// later.
    pub async fn issue_repeater_ticket(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
        numeric: bool,
    ) -> Result<Secret> {
        let record = self.address(asked, address).await?;
        asked.call.caller.need(Needed::Member)?;
        asked.call.caller.need_secret()?;
        fit_for_repeater(&record)?;
        taken_here(self.core.config.repeater.devices, "devices")?;
        let audit =
            AuditEntry { project: Some(record.project), ..asked.entry(AuditAction::RepeaterTicket, address) };
        for _ in 0..DRAWS {
            let ticket = if numeric { number() } else { text() };
            let kept = Some(self.kept_of(&ticket));
            match self.core.store.set_repeater_ticket(&asked.scope, address, kept, &audit).await {
                // Another address has the same ticket.
                Err(StoreError::Conflict(_)) => {}
                outcome => return self.done(outcome?).map(|_| Secret::new(ticket)),
            }
        }
        Err(Error::Conflict("no free number was found: try again".to_owned()))
    }

    /// Revokes an address's repeater ticket and disconnects the waiting device.
    pub async fn revoke_repeater_ticket(&self, asked: &AddressCall, address: &CloudAddress) -> Result<()> {
        let record = self.address(asked, address).await?;
        asked.call.caller.need(Needed::Member)?;
        let audit =
            AuditEntry { project: Some(record.project), ..asked.entry(AuditAction::RepeaterRevoke, address) };
        self.done(self.core.store.set_repeater_ticket(&asked.scope, address, None, &audit).await?).map(drop)
    }

    /// Creates an ID with which a viewer can open this device once.
    pub async fn issue_viewer_id(
        &self,
        asked: &AddressCall,
        address: &CloudAddress,
    ) -> Result<(Secret, Timestamp)> {
        let record = self.address(asked, address).await?;
        asked.call.caller.need(Needed::Member)?;
        fit_for_repeater(&record)?;
        taken_here(self.core.config.repeater.viewers, "viewers")?;
        let audit =
            AuditEntry { project: Some(record.project), ..asked.entry(AuditAction::RepeaterViewer, address) };
        for _ in 0..DRAWS {
            let id = number();
            let kept = self.kept_of(&id);
            let until = asked.call.caller.until();
            let (ttl, most) = ((VIEWER_ID_TTL, until, asked.call.caller.made_with()), VIEWER_IDS_PER_KEY);
            match self.core.store.create_viewer_id(&asked.scope, address, kept, ttl, most, &audit).await? {
                NewViewerId::Until(until) => return Ok((Secret::new(id), until)),
                NewViewerId::Taken => {}
                NewViewerId::TooMany => {
                    return Err(Error::Conflict(format!(
                        "{VIEWER_IDS_PER_KEY} IDs of this access key are open: wait until some are used or expire"
                    )));
                }
                NewViewerId::Missing => return Err(Error::NotFound("cloud address")),
            }
        }
        Err(Error::Conflict("no free number was found: try again".to_owned()))
    }

    /// Joins a device that presents a ticket. Returns `None` if the ticket is not valid. A wrong
    /// number counts as a guess. A text ticket cannot be guessed, so wrong guesses by others never
    /// delay its holder.
    pub async fn join_by_ticket(
        self: &Arc<Self>,
        ticket: &str,
        source: IpAddr,
    ) -> Result<Option<Membership>, Refusal> {
        let guess = if ticket.len() < TEXT {
            let too_many =
                || Refusal::from(RefusalCode::CloudConnectivityError).because("too many wrong tickets");
            Some(self.device_guesses.guess(source, &self.core.metrics).ok_or_else(too_many)?)
        } else {
            None
        };
        let kept = self.kept_of(&ticket.to_ascii_uppercase());
        let Some(record) = self.core.store.address_by_ticket(kept).await.map_err(unavailable)? else {
            if let Some(guess) = guess {
                guess.missed();
            }
            if self.access.is_news_of(source) {
                tracing::info!(%source, "a device's repeater ticket is not valid");
            }
            return Ok(None);
        };
        drop(guess);
        if self.core.store.standing_address(&record.address).await.map_err(unavailable)?.is_none() {
            return Ok(None);
        }
        if let Err(error) = fit_for_repeater(&record) {
            return Err(Refusal::from(RefusalCode::DeviceRefused).because(error.to_string()));
        }
        let joins = Joins::Agent(Joining::Ticket(kept));
        self.admit(record, Shown::Ticket(kept), joins, Origin::of(source)).await.map(Some)
    }

    /// Spends a viewer's ID. Returns its address and project, or `None` if the ID is not valid.
    pub async fn redeem_viewer_id(
        &self,
        id: &str,
        source: IpAddr,
    ) -> Result<Option<(CloudAddress, ProjectId)>> {
        let guess = self.viewer_guesses.guess(source, &self.core.metrics).ok_or(Error::RateLimited)?;
        let Some(address) = self.core.store.take_viewer_id(self.kept_of(id)).await? else {
            guess.missed();
            return Ok(None);
        };
        drop(guess);
        let standing = self.core.store.standing_address(&address).await?;
        Ok(standing.map(|(record, _)| (record.address, record.project)))
    }

    fn kept_of(&self, shown: &str) -> TokenDigest {
        TokenDigest(self.core.vault.sign(Purpose::RepeaterTicket, shown.as_bytes()))
    }
}

fn fit_for_repeater(record: &AddressRecord) -> Result<()> {
    if record.reach.action() != Action::Listen {
        return Err(Error::Conflict(
            "it is a connect address: the repeater's protocol requires a listen address".to_owned(),
        ));
    }
    if record.end_to_end_only {
        return Err(Error::Conflict(
            "its agent accepts only end-to-end connections, which the repeater's protocol does not support"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Fails if the configuration has no such listener, since a credential for it would be useless.
fn taken_here(listener: Option<SocketAddr>, name: &str) -> Result<()> {
    let off =
        || Error::Conflict(format!("this server accepts none: set [repeater] {name} in its configuration"));
    listener.map(drop).ok_or_else(off)
}

fn number() -> String {
    loop {
        let drawn = u32::from_be_bytes(random::bytes()) & 0x7fff_ffff;
        if NUMBERS.contains(&drawn) && drawn != RESERVED {
            return drawn.to_string();
        }
    }
}

fn text() -> String {
    // Bytes past the last whole multiple of 31 would make some characters likelier.
    let fair = u8::MAX - u8::MAX % 31;
    let mut text = String::new();
    while text.len() < TEXT {
        let bytes: [u8; TEXT] = random::bytes();
        let more = bytes.into_iter().filter(|byte| *byte < fair);
        text.extend(more.map(|byte| char::from(ALPHABET[usize::from(byte % 31)])).take(TEXT - text.len()));
    }
    text
}
