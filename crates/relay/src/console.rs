//! The gateway's way to a device: the gateway acts as a connector with a key of its own, and each
//! console is a session of that connector.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use transom_model::EndReason;
use transom_model::audit::Origin;
use transom_model::cloud::CloudAddress;
use transom_model::end_reason::End;
use transom_model::id::ProjectId;
use transom_model::instance::{Instance, InstanceSecurity};
use transom_net::Stream;
use transom_tunnel::opening::{self, Outcome};
use transom_tunnel::ticket::VOUCHER;
use transom_tunnel::{Cause, EXPORTER_LABEL, FrameError, MeetingTicket, Role, end_to_end, peer_key};

use super::Relay;
use super::arrival::Declined;
use super::rendezvous::Absent;
use transom_app::devices::{DialDevice, Slot};

/// The name of a console in logs and audit.
const CONSOLE: &str = "a console";
/// The name by which agents know the gateway.
const GATEWAY: &str = "gateway";
/// The time for a TLS handshake through the relay and the agent's dial to its target. The agent
/// limits its dial to 10 s.
const OPEN: Duration = Duration::from_secs(20);

/// The reason given when an instance's secrets are withheld.
const RENEWED: &str =
    "a key of the project changed the address's ticket, password, key or action after they were set";

/// The time for an agent's message, which arrives in one piece. It is only an explanation, so the
/// gateway does without a late one.
const WORDS: Duration = Duration::from_secs(3);

/// A connection to a device.
pub(super) struct Reached {
    pub(super) stream: Stream,
    /// True if the device speaks the repeater's protocol, so the connection is not encrypted end to
    /// end.
    pub(super) legacy: bool,
}

impl DialDevice for Relay {
    fn dial<'a>(
        &'a self,
        instance: &'a Instance,
        address: &'a CloudAddress,
        origin: &'a Origin,
    ) -> BoxFuture<'a, Result<Stream, End>> {
        Box::pin(self.open_console(instance, address, origin))
    }
}

impl Relay {
    async fn open_console(
        &self,
        instance: &Instance,
        address: &CloudAddress,
        origin: &Origin,
    ) -> Result<Stream, End> {
        let project = instance.project;
        let slot = self.app.devices.slot_for_console(CONSOLE, project, address, origin);
        let secrets = Some(&instance.security);
        let Reached { stream, legacy } = self.reach(project, address, &slot, secrets).await?;
        if legacy {
            let detail = format!("legacy: a device without end-to-end encryption, from {CONSOLE}");
            self.app.devices.audit_opening(address, project, "ok", detail, origin).await;
            self.record_end(project, address.clone(), &slot, origin.clone());
        }
        Ok(stream.leashed(slot.cut(), slot))
    }

    /// Records in the audit the end of a console on a device without end-to-end encryption. The
    /// byte counts are in the record of the console's own session.
    fn record_end(&self, project: ProjectId, address: CloudAddress, slot: &Slot, origin: Origin) {
        let (app, began) = (self.app.clone(), Instant::now());
        let (cut, over) = (slot.cut(), slot.over());
        self.tasks.spawn(async move {
            over.cancelled().await;
            let how = if cut.is_cancelled() { "cut" } else { "closed" };
            let detail = format!("legacy: from {CONSOLE}; {} s", began.elapsed().as_secs());
            app.devices.audit_disconnection(&address, project, how, detail, &origin).await;
        });
    }

    /// Reaches a device for the session that has this slot. `secrets` are those that will be sent
    /// to the device.
    pub(super) async fn reach(
        &self,
        project: ProjectId,
        address: &CloudAddress,
        slot: &Slot,
        secrets: Option<&InstanceSecurity>,
    ) -> Result<Reached, End> {
        let cut = slot.cut();
        tokio::select! {
            biased;
            () = cut.cancelled() => {
                let why = self.app.devices.console_may_reach(project, address).await.err();
                Err(why.unwrap_or_else(|| EndReason::DeviceOffline.into()))
            }
            reached = self.reached(project, address, secrets) => reached,
        }
    }

    async fn reached(
        &self,
        project: ProjectId,
        address: &CloudAddress,
        secrets: Option<&InstanceSecurity>,
    ) -> Result<Reached, End> {
        // The slot is taken first, so that a removal between the two steps cuts the session.
        let listener = self.app.devices.console_may_reach(project, address).await?;
        // The check uses the same record by which the device is found, so no other device can take
        // its place in between.
        if secrets.is_some_and(|secrets| !secrets.is_entrusted_to(listener.record.generation)) {
            return Err(End::new(EndReason::InstanceSecretsWithheld, RENEWED));
        }
        let agent = self.app.devices.reached_at(&listener).ok_or(EndReason::DeviceOffline)?;
        let mut rendezvous = self
            .summon(&agent, GATEWAY)
            .map_err(|refusal| End::new(EndReason::DeviceOffline, refusal.detail.unwrap_or_default()))?;
        let arrived = rendezvous.agent().await.map_err(absent)?;
        tracing::debug!(%address, device_came = arrived.how(), "a console's device has arrived");
        if agent.is_legacy() {
            return Ok(Reached { stream: arrived.stream, legacy: true });
        }
        self.order_standby(agent);
        let opened = timeout(OPEN, self.open(address, &rendezvous.ticket, arrived.stream)).await;
        let silent = || {
            End::new(EndReason::DeviceOffline, "its agent stopped responding while the console was opened")
        };
        Ok(Reached { stream: opened.map_err(|_| silent())??, legacy: false })
    }

    async fn open(
        &self,
        address: &CloudAddress,
        ticket: &MeetingTicket,
        stream: Stream,
    ) -> Result<Stream, End> {
        let broken = |error: std::io::Error| End::new(EndReason::DeviceRefused, error.to_string());
        let internal = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "the gateway's own key cannot be used");
            End::from(EndReason::InternalError)
        };
        let key = self.app.devices.gateway_key().await.map_err(|error| internal(&error))?;
        let mut tls = TlsConnector::from(key.dialling())
            .connect(end_to_end::placeholder_name(), stream)
            .await
            .map_err(broken)?;
        let key_shown = peer_key(tls.get_ref().1.peer_certificates());
        let key_shown = key_shown.ok_or_else(|| End::new(EndReason::DeviceRefused, "it presented no key"))?;
        let exporter = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
        let exporter = exporter.map_err(|error| internal(&error))?;
        let voucher = ticket.vouch(Role::Connector, &exporter);
        tls.write_all(&[&voucher[..], &opening::request("")].concat()).await.map_err(broken)?;
        tls.flush().await.map_err(broken)?;
        let theirs: [u8; VOUCHER] = read_array(&mut tls).await.map_err(broken)?;
        if !ticket.vouched(Role::Agent, &exporter, &theirs) {
            return Err(End::new(
                EndReason::DeviceRefused,
                "a machine between it and this server is intercepting the connection",
            ));
        }
        // This comes after the device has vouched, so that an interceptor's key is never stored as
        // the device's own.
        self.app.devices.check_device_key(address, key_shown).await?;
        let garbled = |error: FrameError| End::new(EndReason::DeviceRefused, error.to_string());
        let length: [u8; opening::LENGTH] = read_array(&mut tls).await.map_err(broken)?;
        let length = opening::length(length).map_err(garbled)?;
        let words = read_words(&mut tls, length).await;
        let answer = if words.len() == length {
            opening::read_answer(&words).map_err(garbled)?
        } else {
            let cut =
                || End::new(EndReason::DeviceRefused, "it stopped responding in the middle of its answer");
            opening::read_cut_answer(&words).ok_or_else(cut)?
        };
        match answer {
            (Outcome::Open, _) => Ok(tls.into()),
            (Outcome::Unreachable, words) => Err(End::new(EndReason::InstanceUnreachable, words)),
            (_, words) => Err(End::new(EndReason::DeviceRefused, words)),
        }
    }
}

async fn read_array<const N: usize>(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Returns the agent's message, or the part of it that arrived in time.
async fn read_words(from: &mut (impl tokio::io::AsyncRead + Unpin), length: usize) -> Vec<u8> {
    let mut words = Vec::with_capacity(length);
    let mut from = from.take(length as u64);
    let _ = timeout(WORDS, from.read_to_end(&mut words)).await;
    words
}

fn absent(absent: Absent) -> End {
    match absent {
        Absent::Declined(Declined { cause: Cause::EndToEndOnly, .. }) => EndReason::DeviceEndToEndOnly.into(),
        Absent::Declined(Declined { cause: Cause::Failed, why }) => End::new(EndReason::DeviceRefused, why),
        Absent::Late => End::new(EndReason::DeviceOffline, "its agent did not answer in time"),
    }
}
