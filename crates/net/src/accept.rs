//! Listening, and the loop that accepts connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The maximum number of connections that wait to be accepted, for example when all pages reconnect
/// at once after a restart. When the queue is full, the peer's TCP tries again after a second. The
/// kernel caps this at `net.core.somaxconn`.
const BACKLOG: u32 = 4096;
/// The pause after a failed accept. When the process has run out of file descriptors, every accept
/// fails until some are closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The shortest interval between warnings, so that a node that cannot accept connections does not
/// fill the disk with its log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(1);

/// Listens on this address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // After a restart, connections of the previous process may still hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Passes every accepted connection to `take` until `stop` is cancelled. A failed accept is not
/// fatal.
pub async fn each_connection(
    listener: &TcpListener,
    stop: &CancellationToken,
    mut take: impl FnMut(TcpStream, SocketAddr),
) {
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => take(tcp, peer),
            Err(error) => {
                if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                    tracing::warn!(%error, "connections cannot be accepted");
                    complained = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
