//! Listening, and the loop that takes connections in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pages that all come back at once after a restart wait here until they are accepted: one that finds no place is tried
/// again by its TCP after a second. The kernel makes it less where `net.core.somaxconn` is.
const BACKLOG: u32 = 4096;
/// Too many descriptors: the next accept will fail too, until something closes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The log of a node that cannot take connections in must not fill the disk as well.
const COMPLAIN_EVERY: Duration = Duration::from_secs(1);

/// Listens on this address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server finds its port still held by connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Hands on every connection until told to stop. A failed accept is not fatal.
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
                    tracing::warn!(%error, "connections cannot be taken in");
                    complained = Some(Instant::now());
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
