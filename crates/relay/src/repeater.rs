//! Devices and viewers that speak the UltraVNC repeater's protocol, each on a listener of its own.
//!
//! ```text
//! device → relay   250 bytes `ID:<ticket>`, padded with NUL; then at once its own RFB version,
//!                  which the relay holds until a viewer is there
//! relay → viewer   `RFB 000.000\n`
//! viewer → relay   250 bytes `ID:<number>`, padded with NUL; then it waits for the RFB version
//! ```
//!
//! The protocol is unencrypted, and proves only the ticket or the number.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use transom_model::audit::Origin;
use transom_net::Stream;
use transom_net::budget::{Budget, Holder, Notice, Permit};
use transom_net::each_connection;
use transom_tunnel::Role;
use transom_tunnel::ticket::TicketHeader;

use super::Relay;
use super::arrival::Way;
use super::carry::{Carried, Terms, carry};
use super::console::Reached;
use transom_app::devices::{Membership, Order};
use transom_app::error::Error;

/// The length of an introduction, from a device or a viewer.
const INTRODUCTION: usize = 250;
/// The time for an introduction. UltraVNC's own repeater waits 5 s; a bad mobile network takes a
/// little longer.
const INTRODUCE: Duration = Duration::from_secs(10);
/// The greeting by which a viewer recognises a repeater.
const GREETING: &[u8; 12] = b"RFB 000.000\n";
/// The number of bytes that a device may send ahead. It sends its version (12 bytes) and waits;
/// UltraVNC's own repeater holds as much.
const MAX_AHEAD: usize = 1024;
/// The longest wait of a device for a viewer. UltraVNC's own repeater also gives up after this
/// time, and the device connects again.
const WAIT: Duration = Duration::from_secs(10 * 3600);
/// The pause between two looks at whether a device answers TCP probes. The device goes offline soon
/// after its second unanswered probe, and online soon after an answer.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The peers of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Devices, which introduce themselves by tickets.
    Devices,
    /// Viewers, which introduce themselves by numbers.
    Viewers,
}

/// Accepts connections until told to stop. A failed accept is not fatal.
pub async fn serve(
    relay: Relay,
    kind: Kind,
    listener: TcpListener,
    budget: Arc<Budget>,
    stop: CancellationToken,
) {
    each_connection(&listener, &stop, |tcp, peer| {
        relay.app.metrics.connections.inc();
        let notice = Notice::default();
        let Some(permit) = budget.admit(Holder::Source(peer.ip()), &notice) else {
            relay.app.metrics.connections_shed.inc();
            return;
        };
        let (relay, stop) = (relay.clone(), stop.clone());
        relay.tasks.clone().spawn(async move {
            let guest = Guest { tcp, peer, permit, notice };
            let served = match kind {
                // Once admitted, both shut down cleanly when the server stops.
                Kind::Devices => device(&relay, guest, &stop).await,
                Kind::Viewers => viewer(&relay, guest, &stop).await,
            };
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "a repeater connection has ended");
            }
        });
    })
    .await;
}

/// A peer that has not introduced itself yet.
struct Guest {
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    notice: Notice,
}

impl Guest {
    /// Returns the peer's introduction. `None` if the peer sends something else, or has to make
    /// room.
    async fn introduction(&mut self, relay: &Relay, stop: &CancellationToken) -> io::Result<Option<String>> {
        tokio::select! {
            () = stop.cancelled() => Ok(None),
            () = self.notice.served() => {
                relay.app.metrics.connections_shed.inc();
                Ok(None)
            }
            introduced = introduction(&mut self.tcp) => introduced,
        }
    }
}

/// Serves a device: reads its ticket, and holds its connection until a viewer comes.
async fn device(relay: &Relay, mut guest: Guest, stop: &CancellationToken) -> io::Result<()> {
    let Some(ticket) = guest.introduction(relay, stop).await? else { return Ok(()) };
    let Guest { tcp, peer, mut permit, .. } = guest;
    let source = peer.ip().to_canonical();
    let Some(mut membership) = join(relay, &ticket, source).await else { return Ok(()) };
    let address = membership.member().address().clone();
    tracing::info!(%address, %source, "joined by a repeater ticket");
    // The device may wait for hours, and later peers have no better claim to its place.
    permit.settle();
    let mut line = Line { stream: Stream::from(tcp), ahead: Vec::new(), until: Instant::now() + WAIT };
    line.stream.wait_long();
    let waited = loop {
        let news = line.wait(&mut membership).await;
        let why = match &news {
            Ok(News::Order(Order::Dial { .. })) => "a viewer took its connection".to_owned(),
            Ok(News::Order(_)) => "it was disconnected".to_owned(),
            Ok(News::OutOfReach) => "it cannot be reached".to_owned(),
            Err(error) => error.to_string(),
        };
        membership.leave(&why).await;
        match news {
            Ok(News::Order(order)) => break Ok(order),
            Ok(News::OutOfReach) => {
                tracing::info!(%address, %source, "cannot be reached at the moment; its connection stays open")
            }
            Err(error) => break Err(error),
        }
        let back = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            back = line.back() => back,
        };
        match back {
            // Another device has joined at this address meanwhile, and the newest one stays.
            Ok(()) if relay.app.devices.joined.listening(&address).is_some() => return Ok(()),
            Ok(()) => {}
            Err(error) => break Err(error),
        }
        membership = match join(relay, &ticket, source).await {
            Some(membership) => membership,
            None => return Ok(()),
        };
        tracing::info!(%address, %source, "can be reached again");
    };
    drop(permit);
    match waited {
        Ok(Order::Dial { ticket, .. }) => {
            if let Some(arrival) = relay.redeem(&TicketHeader { ticket, role: Role::Agent }) {
                arrival.deliver(line.called(), Way::Repeater);
            }
        }
        Ok(_) => {}
        Err(error) => tracing::info!(%address, %error, "left"),
    }
    Ok(())
}

/// Admits a device with this ticket. `None` after a refusal, whose reason is in the log.
async fn join(relay: &Relay, ticket: &str, source: IpAddr) -> Option<Membership> {
    match relay.app.devices.join_by_ticket(ticket, source).await {
        Ok(Some(membership)) => Some(membership),
        Ok(None) => {
            relay.app.metrics.failed_authentications.inc();
            None
        }
        Err(refusal) => {
            if relay.app.access.is_news_of(source) {
                tracing::info!(%source, %refusal, "a device was refused at the repeater");
            }
            None
        }
    }
}

/// The connection of a device that waits for a viewer.
struct Line {
    stream: Stream,
    /// The bytes that the device has sent already.
    ahead: Vec<u8>,
    /// The time at which the wait ends.
    until: Instant,
}

/// The reason why a device's wait is interrupted.
enum News {
    /// A viewer wants the device, or the device has to leave.
    Order(Order),
    /// The device no longer answers probes.
    OutOfReach,
}

impl Line {
    /// Waits for an order, and watches whether the device answers probes.
    async fn wait(&mut self, membership: &mut Membership) -> io::Result<News> {
        loop {
            let look = Instant::now() + LOOK_EVERY;
            tokio::select! {
                biased;
                order = membership.order() => return Ok(News::Order(order)),
                read = self.read() => read?,
                () = sleep_until(look) => {}
            }
            if self.stream.is_reached() == Some(false) {
                self.stream.wait_for_return();
                return Ok(News::OutOfReach);
            }
        }
    }

    /// Waits until a device that was out of reach answers again.
    async fn back(&mut self) -> io::Result<()> {
        loop {
            let look = Instant::now() + LOOK_EVERY;
            tokio::select! {
                read = self.read() => read?,
                () = sleep_until(look) => {}
            }
            if self.stream.is_reached() != Some(false) {
                self.stream.wait_long();
                return Ok(());
            }
        }
    }

    /// Reads once, at most until the device's wait ends.
    async fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 256];
        let unwanted = || io::Error::new(io::ErrorKind::TimedOut, "no viewer has connected to it");
        match timeout_at(self.until, self.stream.read(&mut buffer)).await.map_err(|_| unwanted())?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count if self.ahead.len() + count <= MAX_AHEAD => {
                self.ahead.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            _ => Err(io::Error::other("it sent more data before it was answered")),
        }
    }

    /// Returns the stream of a device that a viewer wants. From now on, its loss is noticed soon.
    fn called(mut self) -> Stream {
        self.stream.unread(&self.ahead);
        self.stream.watch_closely();
        self.stream
    }
}

/// Serves a viewer: reads its number, and carries the bytes between it and the device.
async fn viewer(relay: &Relay, mut guest: Guest, stop: &CancellationToken) -> io::Result<()> {
    let source = guest.peer.ip().to_canonical();
    guest.tcp.write_all(GREETING).await?;
    let Some(id) = guest.introduction(relay, stop).await? else { return Ok(()) };
    let Guest { tcp, mut permit, .. } = guest;
    let (address, project) = match relay.app.devices.redeem_viewer_id(&id, source).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            relay.app.metrics.failed_authentications.inc();
            if relay.app.access.is_news_of(source) {
                tracing::info!(%source, "a viewer's repeater ID is not valid");
            }
            return Ok(());
        }
        Err(Error::RateLimited) => {
            if relay.app.access.is_news_of(source) {
                tracing::info!(%source, "a viewer has presented too many wrong repeater IDs");
            }
            return Ok(());
        }
        Err(error) => {
            if error.is_news() {
                tracing::warn!(%error, "a viewer's repeater ID could not be looked up");
            }
            return Ok(());
        }
    };
    permit.settle();
    let (who, origin) = (format!("a repeater viewer at {source}"), Origin::of(source));
    let slot = relay.app.devices.slot_for_console(&who, project, &address, &origin);
    let reached = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        reached = relay.reach(project, &address, &slot, None) => reached,
    };
    let Reached { stream: device, legacy } = match reached {
        Ok(reached) => reached,
        Err(end) => {
            let (reason, detail) = (end.reason, end.detail());
            tracing::info!(%address, %source, %reason, detail, "a repeater viewer could not reach its device");
            // Each number allows one attempt, which a failure uses up as well.
            let (outcome, detail) = (end.reason.code(), format!("legacy: from {who}"));
            relay.app.devices.audit_opening(&address, project, outcome, detail, &origin).await;
            return Ok(());
        }
    };
    drop(permit);
    let plain = if legacy { "a device" } else { "a viewer" };
    let detail = format!("legacy: {plain} without end-to-end encryption, from {who}");
    relay.app.devices.audit_opening(&address, project, "ok", detail, &origin).await;
    let (began, config) = (Instant::now(), &relay.app.config().relay);
    let terms = Terms { limit: 0, idle: config.idle.0, longest: config.max_session.0 };
    let Carried { how, to_agent, to_connector } = carry(device, Stream::from(tcp), slot.cut(), terms).await;
    drop(slot);
    let seconds = began.elapsed().as_secs();
    let detail = format!(
        "legacy: from {who}; {to_agent} bytes to the device, {to_connector} to the viewer, {seconds} s"
    );
    relay.app.devices.audit_disconnection(&address, project, how, detail, &origin).await;
    Ok(())
}

/// Returns the text after `ID:`, or `None` if the bytes do not begin with `ID:`.
async fn introduction(tcp: &mut TcpStream) -> io::Result<Option<String>> {
    let mut bytes = [0; INTRODUCTION];
    let read = timeout(INTRODUCE, tcp.read_exact(&mut bytes)).await;
    read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.strip_prefix("ID:"))
        .map(|id| id.trim().to_owned()))
}
