//! TCP keepalive, which determines the time until a vanished peer is noticed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The silence before the first probe. A peer that vanishes without closing the connection is
/// noticed after about a minute and a half.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(40);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(8);
const KEEPALIVE_TRIES: u32 = 5;
/// The spread of the first probes, in seconds. Connections that were made together must not all be
/// probed at once. The kernel drops packets that exceed its queue (a thousand,
/// `net.core.netdev_max_backlog`), and would then consider thousands of idle peers gone. So the
/// first probe is up to this many seconds later, and the interval between the next ones is up to
/// [`KEEPALIVE_STAGGER`] seconds longer.
const KEEPALIVE_SPREAD: u32 = 31;
const KEEPALIVE_STAGGER: u32 = 5;

/// The silence before the first probe on a device's connection. A NAT may drop the connection at
/// any time, and a viewer must not look at a frozen screen for a minute and a half.
const DEVICE_KEEPALIVE_AFTER: Duration = Duration::from_secs(20);
const DEVICE_KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const DEVICE_KEEPALIVE_TRIES: u32 = 4;
/// The time after which the connection to a device or a connector fails if sent data is not
/// acknowledged. Without this limit, TCP retries for a quarter of an hour. The gateway ends the
/// session of a viewer that does not read slightly earlier, with a more precise reason.
const DEVICE_UNTAKEN: Duration = Duration::from_secs(70);

/// The silence before the first probe to a device that waits in the repeater's protocol. Such a
/// device receives no data for hours and does not notice a failed network. If the server closed the
/// connection, the device would wait in vain once the network is back, so the connection stays open
/// for most of an hour. Probes start soon, and become less frequent while the device does not
/// answer. The kernel gives up after a maximum number of probes.
const WAITING_KEEPALIVE_AFTER: Duration = Duration::from_secs(20);
/// The spread of those probes, so that thousands of devices that reconnected together are not
/// probed together.
const WAITING_KEEPALIVE_SPREAD: u32 = 11;
const WAITING_KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const LOST_KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const WAITING_KEEPALIVE_TRIES: u32 = 127;

/// Enables keepalive and disables the delay of small packets, on this socket or on those that this
/// listener accepts.
pub fn prepare<'a>(socket: impl Into<SockRef<'a>>) {
    let socket = socket.into();
    let number = number();
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER + spread(number, KEEPALIVE_SPREAD))
        .with_interval(KEEPALIVE_EVERY + spread(number, KEEPALIVE_STAGGER))
        .with_retries(KEEPALIVE_TRIES);
    // Neither can fail on a connected socket. If the peer is gone, the first read reports it.
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_nodelay(true);
}

/// Sets the shorter limits for a device or a connector, so that its loss is noticed sooner.
pub(crate) fn watch_closely(tcp: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(DEVICE_KEEPALIVE_AFTER)
        .with_interval(DEVICE_KEEPALIVE_EVERY)
        .with_retries(DEVICE_KEEPALIVE_TRIES);
    // Neither can fail on a connected socket. If the peer is gone, the first read reports it.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(DEVICE_UNTAKEN));
}

/// Probes a waiting device in a way that keeps its connection open while it is out of reach.
pub(crate) fn wait_long(tcp: &TcpStream) {
    probe(tcp, WAITING_KEEPALIVE_EVERY);
}

/// Probes a peer less often while it is out of reach.
pub(crate) fn wait_for_return(tcp: &TcpStream) {
    probe(tcp, LOST_KEEPALIVE_EVERY);
}

fn probe(tcp: &TcpStream, every: Duration) {
    let keepalive = TcpKeepalive::new()
        .with_time(WAITING_KEEPALIVE_AFTER + spread(number(), WAITING_KEEPALIVE_SPREAD))
        .with_interval(every)
        .with_retries(WAITING_KEEPALIVE_TRIES);
    // This cannot fail on a connected socket. If the peer is already gone, the first read reports
    // it.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
}

/// Returns a connection's number, which differs from those of connections made at the same time.
fn number() -> u32 {
    static NUMBERED: AtomicU32 = AtomicU32::new(0);
    NUMBERED.fetch_add(1, Ordering::Relaxed)
}

/// Returns a delay of less than `most` seconds, derived from a connection's number.
fn spread(number: u32, most: u32) -> Duration {
    Duration::from_secs((number % most).into())
}
