//! One port for everything: TLS or plain, the raw CONNECT, and HTTP with its upgrades.
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

pub mod budget;
pub mod connect;
pub mod head;
mod name_constraints;
mod requests;
pub(crate) mod seat;
pub mod self_signed;
mod shed;
pub mod tls;
mod unread;
mod websocket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::gateway::entrance::Gateway;
use crate::http::source::{Connection, Source};
use crate::http::stream::HttpStream;
use crate::http::unproved::Unproved;
use crate::stream::{self, Stream};
use budget::{Budget, Holder, Notice, Permit};
use head::Opening;
use requests::{Place, Requests};
pub use shed::Shedding;
use shed::{part, unless_told};

/// A request head comes in one piece, or over a bad network in a few seconds; this is no time for a slow loris.
pub(crate) const HEAD: Duration = Duration::from_secs(10);
/// A TLS handshake is two round trips and some arithmetic.
const TLS: Duration = Duration::from_secs(10);
/// Pages that all come back at once after a restart wait here until they are accepted: one that finds no place is tried
/// again by its TCP after a second. The kernel makes it less where `net.core.somaxconn` is.
const BACKLOG: u32 = 4096;
/// Too many descriptors: the next accept will fail too, until something closes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The log of a node that cannot take connections in must not fill the disk as well.
const COMPLAIN_EVERY: Duration = Duration::from_secs(1);
/// Answers that are on their way when a connection is to end may take this long to arrive.
pub(crate) const FAREWELL: Duration = Duration::from_secs(5);
/// Each stream may keep a request's head and body, and HTTP/2 has no way to allow more to who has proved something: a page's
/// dozen files, or a program's calls, take turns.
const STREAMS: u32 = 8;
/// HTTP/2 counts 32 bytes more for each field, and browsers make each cookie a field of its own (RFC 9113 §6.5.2, §8.2.3): a head
/// that is within [`head::MAX_HEAD`] otherwise may be this long. How long it is otherwise is judged when it is there.
const MAX_HEADER_LIST: u32 = 3 * head::MAX_HEAD as u32;
/// What a peer may send ahead of its request's being read: a login whole, and a large body in round trips.
const WINDOW: u32 = 16 * 1024;
/// The same of a whole connection; HTTP/2 knows no less (RFC 9113 §6.9.2).
const CONNECTION_WINDOW: u32 = 65_535;

/// Listens on this address.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted server finds its port still held by connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What serves a connection.
pub struct Front {
    /// The use cases.
    pub app: Arc<App>,
    /// The gateway.
    pub gateway: Gateway,
    /// Everything that is HTTP.
    pub router: Router,
    /// The certificate; none: plain HTTP only.
    pub tls: Option<tls::Certificate>,
    /// Connections that have not sent a request yet.
    pub half_open: Arc<Budget>,
    /// HTTP connections, until they end or become WebSockets.
    pub http: Arc<Budget>,
    /// Requests that declared proxies carry, by whom they are of.
    pub proxied: Arc<Budget>,
    /// What requests may make us keep whose callers have proved nothing.
    pub(crate) unproved: Arc<Unproved>,
    /// Connections that are being told that there is no place for them.
    pub shedding: Shedding,
    /// The tasks of connections and sessions.
    pub tasks: TaskTracker,
}

/// Takes connections until told to stop.
pub async fn serve(front: Arc<Front>, listener: TcpListener, stop: CancellationToken) {
    // What it accepts inherits that: five calls less for each connection.
    stream::prepare(&listener);
    each_connection(&listener, &stop, |tcp, peer| admit(&front, tcp, peer, &stop)).await;
}

/// Hands on every connection until told to stop. A failed accept is not fatal.
pub(crate) async fn each_connection(
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

fn admit(front: &Arc<Front>, tcp: TcpStream, peer: SocketAddr, stop: &CancellationToken) {
    front.app.metrics.connections.inc();
    let notice = Notice::default();
    let Some(permit) = front.half_open.admit(holder(front, peer), &notice) else {
        return shed::refuse(front, tcp);
    };
    let (handled, stop) = (Arc::clone(front), stop.clone());
    front.tasks.spawn(async move {
        if let Err(error) = connection(handled, tcp, peer, permit, notice, stop).await {
            tracing::debug!(%peer, %error, "connection over");
        }
    });
}

/// Whose connection this is, where connections are counted.
fn holder(front: &Front, peer: SocketAddr) -> Holder {
    let address = peer.ip().to_canonical();
    if front.app.config().http.trusts(address) { Holder::Proxy(address) } else { Holder::Source(address) }
}

/// Whose request this is: a proxy's where it does not say for whom it asks.
fn sender(front: &Front, peer: SocketAddr, source: Source) -> Holder {
    match holder(front, peer) {
        Holder::Proxy(proxy) if source.address != proxy => Holder::Source(source.address),
        own => own,
    }
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
            tracing::debug!(%peer, "TLS was asked for and none is configured");
            return Ok(());
        };
        connection.tls = true;
        // What a handshake needs is much, and gone after it.
        let shaken = unless_told(&notice, Box::pin(deadline(TLS, accept_tls(certificate, stream)))).await?;
        let Some(shaken) = shaken else {
            front.app.metrics.connections_shed.inc();
            return Ok(());
        };
        (stream, connection.exporter) = shaken;
        let heard = hear(&notice, &mut stream).await?;
        let Some(heard) = heard else { return Box::pin(make_way(&front, stream, permit)).await };
        opening = heard;
    } else if !allows_plain(&front, peer) {
        let refused = unless_told(&notice, Box::pin(deadline(HEAD, head::refuse_plain(&mut stream))));
        return refused.await.map(drop);
    }
    match opening {
        // TLS within TLS is nobody's browser.
        Opening::Tls => Ok(()),
        Opening::Connect => Box::pin(connect::serve(&front, stream, connection, permit, &notice)).await,
        Opening::Http1 => match websocket::request(&stream) {
            Some(head) => {
                // What decides is gone before the session begins, which takes less.
                let decided = websocket::serve(&front, stream, head, connection, permit, notice, stop);
                let decided = Box::pin(decided).await?;
                if let Some((next, switched)) = decided {
                    Box::pin(front.gateway.run_websocket(next, switched)).await;
                }
                Ok(())
            }
            None => {
                let place = Place::half_open(permit);
                Box::pin(http_1(front, stream, connection, (place, notice), stop, None)).await
            }
        },
        Opening::Http2 => Box::pin(http_2(front, stream, connection, permit, notice, stop)).await,
    }
}

/// The first bytes of a connection, unless it has to go meanwhile. Waiting for them needs more memory than what comes after.
async fn hear(notice: &Notice, stream: &mut Stream) -> io::Result<Option<Opening>> {
    unless_told(notice, Box::pin(deadline(HEAD, head::opening(stream)))).await
}

/// Ends a connection that has said nothing yet, for a newcomer's sake.
async fn make_way(front: &Front, mut stream: Stream, permit: Permit) -> io::Result<()> {
    front.app.metrics.connections_shed.inc();
    let parted = part(&mut stream).await;
    drop(permit);
    parted
}

/// The stream behind a TLS handshake, and what the connection is known by on both ends.
async fn accept_tls(
    certificate: &tls::Certificate,
    stream: Stream,
) -> io::Result<(Stream, Option<[u8; 32]>)> {
    let accepted = certificate.acceptor().accept(stream).await?;
    let exporter = tls::exporter(&accepted);
    Ok((accepted.into(), exporter))
}

/// Plain HTTP is for this machine itself, and for declared proxies that end TLS in front.
fn allows_plain(front: &Front, peer: SocketAddr) -> bool {
    let address = peer.ip().to_canonical();
    address.is_loopback() || front.app.config().http.trusts(address)
}

/// Serves HTTP/1; the `answer` to the first request may be known already.
async fn http_1(
    front: Arc<Front>,
    stream: Stream,
    connection: Connection,
    (place, notice): (Place, Notice),
    stop: CancellationToken,
    answer: Option<Response>,
) -> io::Result<()> {
    let shed = front.app.clone();
    let service = Requests::new(front, connection, (place, notice.clone()), answer);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(head::MAX_HEAD);
    let serving =
        builder.serve_connection(TokioIo::new(HttpStream::new(stream, service.progress().ended())), service);
    let mut serving = std::pin::pin!(serving.with_upgrades());
    tokio::select! {
        // An answer that is there already goes out before it is seen that the end has come.
        biased;
        served = serving.as_mut() => return served.map_err(io::Error::other),
        () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
        () = notice.served() => {
            shed.metrics.connections_shed.inc();
            serving.as_mut().graceful_shutdown();
        }
    }
    deadline(FAREWELL, async { serving.await.map_err(io::Error::other) }).await
}

async fn http_2(
    front: Arc<Front>,
    stream: Stream,
    connection: Connection,
    permit: Permit,
    notice: Notice,
    stop: CancellationToken,
) -> io::Result<()> {
    let shed = front.app.clone();
    let service = Requests::new(front, connection, (Place::half_open(permit), notice.clone()), None);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    let progress = service.progress();
    let io = TokioIo::new(HttpStream::new(stream, Arc::default()));
    let mut serving = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        served = serving.as_mut() => return served.map_err(io::Error::other),
        () = progress.overdue() => return Err(io::ErrorKind::TimedOut.into()),
        () = progress.idle() => serving.as_mut().graceful_shutdown(),
        () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
        () = notice.served() => {
            shed.metrics.connections_shed.inc();
            serving.as_mut().graceful_shutdown();
        }
    }
    deadline(FAREWELL, async { serving.await.map_err(io::Error::other) }).await
}

/// Waits for something that a peer does, but not for ever.
pub(crate) async fn deadline<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
