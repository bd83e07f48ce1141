//! Listening, and the loop that accepts connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The connections that wait to be accepted, for example when all pages come back at once after a
/// restart. The TCP of a connection that finds no place tries again after a second. The kernel
/// lowers this to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;
/// The pause after a failed accept. With too many descriptors the next one fails too, until some
/// are closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The pause between warnings: a node that cannot accept connections must not fill the disk with
/// its log as well.
const COMPLAIN_EVERY: Duration = Duration::from_secs(1);

/// Listens on this address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // The port of a restarted server is still held by connections of the previous process.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Passes on every connection until told to stop. A failed accept is not fatal.
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
