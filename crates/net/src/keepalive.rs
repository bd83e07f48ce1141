//! TCP's keepalive: how soon a peer that has vanished is noticed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A peer that vanished without a word is noticed after about a minute and a half of silence.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(40);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(8);
const KEEPALIVE_TRIES: u32 = 5;
/// Connections that were made together must not all be probed at once: the kernel drops what its queues do not hold (a
/// thousand packets, `net.core.netdev_max_backlog`), and would take thousands of idle peers for gone. So the first probe comes
/// up to this many seconds later, and the next ones up to [`KEEPALIVE_STAGGER`] seconds apart from each other's.
const KEEPALIVE_SPREAD: u32 = 31;
const KEEPALIVE_STAGGER: u32 = 5;

/// The keepalive of a device's connection. NAT may forget it at any time, and a viewer must not look
/// at a frozen screen for a minute and a half.
const DEVICE_KEEPALIVE_AFTER: Duration = Duration::from_secs(20);
const DEVICE_KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const DEVICE_KEEPALIVE_TRIES: u32 = 4;
/// What was sent to a device or a connector and is not taken by then never will be: without this, TCP tries for a quarter of
/// an hour. A viewer that does not look is given up by the gateway a little earlier, with a better reason.
const DEVICE_UNTAKEN: Duration = Duration::from_secs(70);

/// A device that waits in the repeater's protocol hears nothing for hours, and knows of no network that fails: what it waits on is
/// kept while it is out of reach, for most of an hour, since it would wait on in vain otherwise. It is asked soon, and less often
/// once it does not answer; the kernel gives up after so many times at most.
const WAITING_KEEPALIVE_AFTER: Duration = Duration::from_secs(20);
/// Thousands that came back together are not asked together.
const WAITING_KEEPALIVE_SPREAD: u32 = 11;
const WAITING_KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const LOST_KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
const WAITING_KEEPALIVE_TRIES: u32 = 127;

/// Lets small packets go out at once, and vanished peers be noticed: on this socket, or on those that a listener accepts.
pub fn prepare<'a>(socket: impl Into<SockRef<'a>>) {
    let socket = socket.into();
    let number = number();
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER + spread(number, KEEPALIVE_SPREAD))
        .with_interval(KEEPALIVE_EVERY + spread(number, KEEPALIVE_STAGGER))
        .with_retries(KEEPALIVE_TRIES);
    // Neither can fail on a connected socket; a peer that is gone already shows at the first read.
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_nodelay(true);
}

/// Notices sooner than usual that a device or a connector is gone.
pub(crate) fn watch_closely(tcp: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(DEVICE_KEEPALIVE_AFTER)
        .with_interval(DEVICE_KEEPALIVE_EVERY)
        .with_retries(DEVICE_KEEPALIVE_TRIES);
    // Neither can fail on a connected socket; a peer that is gone already shows at the first read.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(DEVICE_UNTAKEN));
}

/// Keeps a connection while its peer is out of reach.
pub(crate) fn wait_long(tcp: &TcpStream) {
    probe(tcp, WAITING_KEEPALIVE_EVERY);
}

/// Asks a peer less often that is out of reach.
pub(crate) fn wait_for_return(tcp: &TcpStream) {
    probe(tcp, LOST_KEEPALIVE_EVERY);
}

fn probe(tcp: &TcpStream, every: Duration) {
    let keepalive = TcpKeepalive::new()
        .with_time(WAITING_KEEPALIVE_AFTER + spread(number(), WAITING_KEEPALIVE_SPREAD))
        .with_interval(every)
        .with_retries(WAITING_KEEPALIVE_TRIES);
    // It cannot fail on a connected socket; a peer that is gone already shows at the first read.
    let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
}

/// The number of a connection, by which it differs from those that were made together with it.
fn number() -> u32 {
    static NUMBERED: AtomicU32 = AtomicU32::new(0);
    NUMBERED.fetch_add(1, Ordering::Relaxed)
}

/// Up to so many seconds, by a connection's number.
fn spread(number: u32, most: u32) -> Duration {
    Duration::from_secs((number % most).into())
}
