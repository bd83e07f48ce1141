//! Devices and viewers that speak the UltraVNC repeater's protocol, each kind on a listener of its own.
//!
//! ```text
//! device → us      250 bytes `ID:<ticket>`, padded with NUL; then at once its own RFB version, kept until a viewer is there
//! us → viewer      `RFB 000.000\n`
//! viewer → us      250 bytes `ID:<number>`, padded with NUL; then it waits for the device's RFB version
//! ```
//!
//! Nothing of it is encrypted, and nobody proves anything but the ticket or the number.

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

/// What either side introduces itself by.
const INTRODUCTION: usize = 250;
/// UltraVNC's own repeater waits 5 s; a bad mobile network takes a little longer.
const INTRODUCE: Duration = Duration::from_secs(10);
/// What tells a viewer that it speaks with a repeater.
const GREETING: &[u8; 12] = b"RFB 000.000\n";
/// A device sends its version (12 bytes) and waits; UltraVNC's own repeater keeps as much.
const MAX_AHEAD: usize = 1024;
/// A device that nobody wants for this long comes again: UltraVNC's own repeater forgets it then, too.
const WAIT: Duration = Duration::from_secs(10 * 3600);
/// A device that is out of reach is offline soon after its second probe was not answered, and online as soon after one was.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Who comes to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Devices, with tickets.
    Devices,
    /// Viewers, with IDs.
    Viewers,
}

/// Takes connections until told to stop. A failed accept is not fatal.
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
                // Once they are in, both end in good order by themselves when the server stops.
                Kind::Devices => device(&relay, guest, &stop).await,
                Kind::Viewers => viewer(&relay, guest, &stop).await,
            };
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "a repeater connection is over");
            }
        });
    })
    .await;
}

/// Somebody who has not said yet who it is.
struct Guest {
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    notice: Notice,
}

impl Guest {
    /// What it introduces itself by; none where it says something else, or has to go first.
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

/// A device: takes its ticket, and keeps its connection until a viewer is there.
async fn device(relay: &Relay, mut guest: Guest, stop: &CancellationToken) -> io::Result<()> {
    let Some(ticket) = guest.introduction(relay, stop).await? else { return Ok(()) };
    let Guest { tcp, peer, mut permit, .. } = guest;
    let source = peer.ip().to_canonical();
    let Some(mut membership) = join(relay, &ticket, source).await else { return Ok(()) };
    let address = membership.member().address().clone();
    tracing::info!(%address, %source, "joined by a repeater ticket");
    // It waits for hours, and whoever comes after it has no better right.
    permit.settle();
    let mut line = Line { stream: Stream::from(tcp), ahead: Vec::new(), until: Instant::now() + WAIT };
    line.stream.wait_long();
    let waited = loop {
        let news = line.wait(&mut membership).await;
        let why = match &news {
            Ok(News::Order(Order::Dial { .. })) => "a viewer has it".to_owned(),
            Ok(News::Order(_)) => "it was sent away".to_owned(),
            Ok(News::OutOfReach) => "it is out of reach".to_owned(),
            Err(error) => error.to_string(),
        };
        membership.leave(&why).await;
        match news {
            Ok(News::Order(order)) => break Ok(order),
            Ok(News::OutOfReach) => tracing::info!(%address, %source, "out of reach; its line is kept"),
            Err(error) => break Err(error),
        }
        let back = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            back = line.back() => back,
        };
        match back {
            // Another one has come meanwhile: the newest stays.
            Ok(()) if relay.app.devices.joined.listening(&address).is_some() => return Ok(()),
            Ok(()) => {}
            Err(error) => break Err(error),
        }
        membership = match join(relay, &ticket, source).await {
            Some(membership) => membership,
            None => return Ok(()),
        };
        tracing::info!(%address, %source, "back in reach");
    };
    drop(permit);
    match waited {
        Ok(Order::Dial { ticket, .. }) => {
            if let Some(arrival) = relay.redeem(&TicketHeader { ticket, role: Role::Agent }) {
                arrival.hand_over(line.called(), Way::Repeater);
            }
        }
        Ok(_) => {}
        Err(error) => tracing::info!(%address, %error, "gone"),
    }
    Ok(())
}

/// Takes a device in that shows this ticket; what is refused is told to the log.
async fn join(relay: &Relay, ticket: &str, source: IpAddr) -> Option<Membership> {
    match relay.app.devices.join_by_ticket(ticket, source).await {
        Ok(Some(membership)) => Some(membership),
        Ok(None) => {
            relay.app.metrics.failed_authentications.inc();
            None
        }
        Err(refusal) => {
            if relay.app.access.is_news_of(source) {
                tracing::info!(%source, %refusal, "a device is refused at the repeater");
            }
            None
        }
    }
}

/// The line of a device that waits for a viewer.
struct Line {
    stream: Stream,
    /// What it has said already.
    ahead: Vec<u8>,
    /// When it has waited long enough.
    until: Instant,
}

/// What ends a device's wait.
enum News {
    /// Somebody wants something of it.
    Order(Order),
    /// It does not answer any more.
    OutOfReach,
}

impl Line {
    /// Waits for an order, and looks whether the device can be reached.
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

    /// Reads once, for as long as the device may wait.
    async fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 256];
        let unwanted = || io::Error::new(io::ErrorKind::TimedOut, "nobody has wanted it");
        match timeout_at(self.until, self.stream.read(&mut buffer)).await.map_err(|_| unwanted())?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count if self.ahead.len() + count <= MAX_AHEAD => {
                self.ahead.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            _ => Err(io::Error::other("it goes on before anybody has answered")),
        }
    }

    /// The stream of a device that a viewer wants: from now on it is noticed soon when it is gone.
    fn called(mut self) -> Stream {
        self.stream.unread(&self.ahead);
        self.stream.watch_closely();
        self.stream
    }
}

/// A viewer: takes its number, and carries between it and the device.
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
                tracing::info!(%source, "a viewer has shown too many wrong repeater IDs");
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
    let place = relay.app.devices.place_for_console(&who, project, &address, &origin);
    let reached = tokio::select! {
        () = stop.cancelled() => return Ok(()),
        reached = relay.reach(project, &address, &place, None) => reached,
    };
    let Reached { stream: device, legacy } = match reached {
        Ok(reached) => reached,
        Err(end) => {
            let (reason, detail) = (end.reason, end.detail());
            tracing::info!(%address, %source, %reason, detail, "a repeater viewer does not reach its device");
            // Each number is for one attempt.
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
    let Carried { how, to_agent, to_connector } = carry(device, Stream::from(tcp), place.cut(), terms).await;
    drop(place);
    let seconds = began.elapsed().as_secs();
    let detail = format!(
        "legacy: from {who}; {to_agent} bytes to the device, {to_connector} to the viewer, {seconds} s"
    );
    relay.app.devices.audit_disconnection(&address, project, how, detail, &origin).await;
    Ok(())
}

/// What stands behind `ID:`; none where something else does.
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
