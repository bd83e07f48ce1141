//! The one port for everything: TLS or plain, the raw CONNECT, and HTTP with its upgrades.
//!
//! ```text
//! accept ─► first byte 0x16? ─► TLS ─┐
//!              │ no                  ▼
//!              └──────────────► "CONNECT "? ─► raw viewer
//!                                    │ no
//!                                    ├─► "PRI * HTTP/2"? ─► HTTP/2
//!                                    ├─► a console's WebSocket? ─► the gateway
//!                                    └─► HTTP/1.1
//! ```

pub mod certificate;
pub mod connect;
mod front;
pub mod head;
mod hypertext;
mod name_constraints;
mod requests;
pub mod self_signed;
mod shed;
mod unread;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
pub use transom_net::bind;
use transom_net::budget::{Notice, Permit};
use transom_net::{Stream, deadline, each_connection};

use certificate::Certificate;
pub use front::{Front, Shedding};
use front::{allows_plain, holder};
use head::Opening;
use hypertext::{http_1, http_2};
use requests::Admission;
use shed::{make_way, unless_displaced};
use transom_http::limits::HEAD;
use transom_http::source::Connection;

/// The time for a TLS handshake: two round trips and some arithmetic.
const TLS: Duration = Duration::from_secs(10);

/// Accepts connections until told to stop.
pub async fn serve(front: Arc<Front>, listener: TcpListener, stop: CancellationToken) {
    // Accepted connections inherit these options, which saves five system calls for each.
    transom_net::prepare(&listener);
    each_connection(&listener, &stop, |tcp, peer| admit(&front, tcp, peer, &stop)).await;
}

fn admit(front: &Arc<Front>, tcp: TcpStream, peer: SocketAddr, stop: &CancellationToken) {
    front.app.metrics.connections.inc();
    let notice = Notice::default();
    let Some(permit) = front.half_open.admit(holder(front, peer), &notice) else {
        return shed::refuse(front, tcp);
    };
    let (handled, stop) = (Arc::clone(front), stop.clone());
    front.tasks.spawn(async move {
        if let Err(error) = connection(handled, tcp, peer, permit, notice, stop).await {
            tracing::debug!(%peer, %error, "a connection has ended");
        }
    });
}

async fn connection(
    front: Arc<Front>,
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    notice: Notice,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut stream = Stream::prepared(tcp);
    let heard = hear(&notice, &mut stream).await?;
    let Some(mut opening) = heard else { return Box::pin(make_way(&front, stream, permit)).await };
    let mut connection = Connection { peer, tls: false, exporter: None };
    if let Opening::Tls = opening {
        let Some(certificate) = &front.tls else {
            tracing::debug!(%peer, "a peer asked for TLS, which is not configured");
            return Ok(());
        };
        connection.tls = true;
        // A handshake needs much memory. It is boxed, so that this memory is free again afterwards.
        let shaken =
            unless_displaced(&notice, Box::pin(deadline(TLS, accept_tls(certificate, stream)))).await?;
        let Some(shaken) = shaken else {
            front.app.metrics.connections_shed.inc();
            return Ok(());
        };
        (stream, connection.exporter) = shaken;
        let heard = hear(&notice, &mut stream).await?;
        let Some(heard) = heard else { return Box::pin(make_way(&front, stream, permit)).await };
        opening = heard;
    } else if !allows_plain(&front, peer) {
        let refused = unless_displaced(&notice, Box::pin(deadline(HEAD, head::refuse_plain(&mut stream))));
        return refused.await.map(drop);
    }
    match opening {
        // No client speaks TLS within TLS.
        Opening::Tls => Ok(()),
        Opening::Connect => Box::pin(connect::serve(&front, stream, connection, permit, &notice)).await,
        Opening::Http1 => match websocket::request(&stream) {
            Some(head) => {
                // The decision is boxed, so that its memory is free again before the session, which
                // needs less.
                let decided = websocket::serve(&front, stream, head, connection, permit, notice, stop);
                let decided = Box::pin(decided).await?;
                if let Some((next, switched)) = decided {
                    Box::pin(front.gateway.run_websocket(next, switched)).await;
                }
                Ok(())
            }
            None => {
                let admission = Admission::half_open(permit);
                Box::pin(http_1(front, stream, connection, (admission, notice), stop, None)).await
            }
        },
        Opening::Http2 => Box::pin(http_2(front, stream, connection, permit, notice, stop)).await,
    }
}

/// Returns the kind of a connection by its first bytes. `None` if it has to make room first. The
/// wait needs more memory than the steps after it, so it is boxed.
async fn hear(notice: &Notice, stream: &mut Stream) -> io::Result<Option<Opening>> {
    unless_displaced(notice, Box::pin(deadline(HEAD, head::opening(stream)))).await
}

/// Returns the stream after the TLS handshake, and the value that identifies the connection at both
/// ends.
async fn accept_tls(certificate: &Certificate, stream: Stream) -> io::Result<(Stream, Option<[u8; 32]>)> {
    let accepted = certificate.acceptor().accept(stream).await?;
    let exporter = certificate::exporter(&accepted);
    Ok((accepted.into(), exporter))
}
