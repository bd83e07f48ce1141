//! TCP keepalive: the time until a vanished peer is noticed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// The silence before the first probe. A peer that vanished without a word is noticed after about a
/// minute and a half.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(40);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(8);
const KEEPALIVE_TRIES: u32 = 5;
/// The spread of the first probes, in seconds. Connections that were made together must not all be
/// probed at once. The kernel drops packets that exceed its queues (a thousand,
/// `net.core.netdev_max_backlog`), and would then take thousands of idle peers for gone. So the
/// first probe comes up to this many seconds later, and the next ones up to [`KEEPALIVE_STAGGER`]
/// seconds apart.
const KEEPALIVE_SPREAD: u32 = 31;
const KEEPALIVE_STAGGER: u32 = 5;

/// The same for a device's connection. NAT may forget it at any time, and a viewer must not look at
/// a frozen screen for a minute and a half.
const DEVICE_KEEPALIVE_AFTER: Duration = Duration::from_secs(20);
const DEVICE_KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const DEVICE_KEEPALIVE_TRIES: u32 = 4;
/// The time after which unacknowledged data to a device or a connector counts as lost. Without
/// this, TCP tries for a quarter of an hour. The gateway gives up a viewer that does not read a
/// little earlier, with a better reason.
const DEVICE_UNTAKEN: Duration = Duration::from_secs(70);

/// The same for a device that waits in the repeater's protocol. It hears no data for hours and does
/// not notice a failed network. Its connection stays open for most of an hour while it is out of
/// reach, since otherwise the device would wait in vain. It is probed soon, and less often once it
/// does not answer. The kernel gives up after a fixed number of probes at most.
const WAITING_KEEPALIVE_AFTER: Duration = Duration::from_secs(20);
/// The spread of those probes: thousands of devices that came back together are not probed
/// together.
const WAITING_KEEPALIVE_SPREAD: u32 = 11;
const WAITING_KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const LOST_KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const WAITING_KEEPALIVE_TRIES: u32 = 127;

/// Sends small packets at once and notices vanished peers, on this socket or on those that a
/// listener accepts.
pub fn prepare<'a>(socket: impl Into<SockRef<'a>>) {
    let socket = socket.into();
    let number = number();
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER + spread(number, KEEPALIVE_SPREAD))
        .with_interval(KEEPALIVE_EVERY + spread(number, KEEPALIVE_STAGGER))
        .with_retries(KEEPALIVE_TRIES);
    // Neither can fail on a connected socket. A peer that is already gone shows at the first read.
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_nodelay(true);
}

/// Notices sooner than usual that a device or a connector is gone.
pub(crate) fn watch_closely(tcp: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(DEVICE_KEEPALIVE_AFTER)
        .with_interval(DEVICE_KEEPALIVE_EVERY)
        .with_retries(DEVICE_KEEPALIVE_TRIES);
    // Neither can fail on a connected socket. A peer that is already gone shows at the first read.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(DEVICE_UNTAKEN));
}

/// Holds a connection open while its peer is out of reach.
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
    // It cannot fail on a connected socket. A peer that is already gone shows at the first read.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
}

/// Returns a connection's number, which differs from those of connections made at the same time.
fn number() -> u32 {
    static NUMBERED: AtomicU32 = AtomicU32::new(0);
    NUMBERED.fetch_add(1, Ordering::Relaxed)
}

/// Returns up to `most` seconds, by a connection's number.
fn spread(number: u32, most: u32) -> Duration {
    Duration::from_secs((number % most).into())
}
