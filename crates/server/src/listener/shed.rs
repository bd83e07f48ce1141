//! Connections for which there is no room, and those that have to make room: each gets an answer or
//! at least a clean end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transom_net::Stream;
use transom_net::budget::{Notice, Permit};
use transom_net::deadline;

use super::front::{Front, allows_plain};
use super::head::{self, Opening};

/// The wait for a request, which usually comes with the connection.
const HEARD: Duration = Duration::from_secs(1);
/// The time and the number of bytes for a peer to notice the end of its connection.
const PARTING: Duration = Duration::from_secs(1);
const MAX_UNREAD: u64 = 256 * 1024;
/// The refusal in plain HTTP (RFC 9112). The path is not known yet, and so neither is the door
/// whose form of error would apply.
const OVERLOADED: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\
                            Connection: close\r\n\r\n";

/// Refuses a connection for which there is no room.
pub(super) fn refuse(front: &Arc<Front>, tcp: TcpStream) {
    front.app.metrics.connections_shed.inc();
    if !front.shedding.enter() {
        return;
    }
    let told = Arc::clone(front);
    front.tasks.spawn(async move {
        if let Err(error) = tell(&told, Stream::prepared(tcp)).await {
            tracing::debug!(%error, "a refused connection has ended");
        }
        told.shedding.leave();
    });
}

async fn tell(front: &Front, mut stream: Stream) -> io::Result<()> {
    let peer = stream.tcp().map(TcpStream::peer_addr).transpose()?;
    let opening = deadline(HEARD, head::opening(&mut stream)).await;
    // TLS would first need a handshake, and HTTP/2 cannot answer before its own.
    if matches!(opening, Ok(Opening::Http1)) && peer.is_some_and(|peer| allows_plain(front, peer)) {
        deadline(PARTING, stream.write_all(OVERLOADED)).await?;
    }
    part(&mut stream).await
}

/// Ends a silent connection to make room for a newcomer.
pub(super) async fn make_way(front: &Front, mut stream: Stream, permit: Permit) -> io::Result<()> {
    front.app.metrics.connections_shed.inc();
    let parted = part(&mut stream).await;
    drop(permit);
    parted
}

/// Ends a connection so that its peer sees an end and not a reset: remaining bytes are read for a
/// moment.
async fn part(stream: &mut Stream) -> io::Result<()> {
    deadline(PARTING, async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(MAX_UNREAD), &mut tokio::io::sink()).await.map(drop)
    })
    .await
}

/// Awaits work on a connection. Returns `None` if the connection has to make room first.
pub(super) async fn unless_displaced<T>(
    notice: &Notice,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<Option<T>> {
    tokio::select! {
        biased;
        done = work => done.map(Some),
        () = notice.served() => Ok(None),
    }
}
