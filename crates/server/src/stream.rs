//! A byte stream to a viewer or an instance, whatever carries it.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::app::devices::Place;

/// A peer that vanished without a word is noticed after about a minute and a half of silence.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(40);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(8);
const KEEPALIVE_TRIES: u32 = 5;
/// Connections that were made together must not all be probed at once: the kernel drops what its queues do not hold (a
/// thousand packets, `net.core.netdev_max_backlog`), and would take thousands of idle peers for gone. So the first probe comes
/// up to this many seconds later, and the next ones up to [`KEEPALIVE_STAGGER`] seconds apart from each other's.
const KEEPALIVE_SPREAD: u32 = 31;
const KEEPALIVE_STAGGER: u32 = 5;

/// A device's NAT may forget a connection at any time; whoever looks at a frozen screen is not to wait for a minute and a half.
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
/// One probe may be lost.
#[cfg(target_os = "linux")]
const OUT_OF_REACH: u8 = 2;

/// A byte stream, with bytes that were read ahead standing in front of it.
#[derive(Debug)]
pub struct Stream {
    ahead: Option<Box<Ahead>>,
    leash: Option<Box<Leash>>,
    io: Io,
}

/// What ends a device's stream from elsewhere.
#[derive(Debug)]
struct Leash {
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
}

#[derive(Debug)]
struct Ahead {
    bytes: Vec<u8>,
    taken: usize,
}

#[derive(Debug)]
enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    TlsAccepted(Box<tokio_rustls::server::TlsStream<Stream>>),
    TlsDialled(Box<tokio_rustls::client::TlsStream<Stream>>),
}

impl Stream {
    /// Takes a TCP connection in that was [prepared](prepare), or whose listener was.
    pub(crate) fn prepared(tcp: TcpStream) -> Self {
        Self { ahead: None, leash: None, io: Io::Tcp(tcp) }
    }

    /// Whether writes stay in a buffer of ours until they are flushed.
    #[must_use]
    pub fn buffers_writes(&self) -> bool {
        matches!(self.io, Io::TlsAccepted(_) | Io::TlsDialled(_))
    }

    /// The bare connection, where nothing stands between it and the peer.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.io {
            Io::Tcp(tcp) if self.ahead.is_none() && self.leash.is_none() => Some(tcp),
            _ => None,
        }
    }

    /// Notices sooner than usual that the other end is gone: it may be behind a NAT that forgot it.
    pub(crate) fn watch_closely(&self) {
        let Some(tcp) = self.bottom() else { return };
        let keepalive = TcpKeepalive::new()
            .with_time(DEVICE_KEEPALIVE_AFTER)
            .with_interval(DEVICE_KEEPALIVE_EVERY)
            .with_retries(DEVICE_KEEPALIVE_TRIES);
        // Neither can fail on a connected socket; a peer that is gone already shows at the first read.
        let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(DEVICE_UNTAKEN));
    }

    /// Keeps the connection while its peer is out of reach, where the kernel tells of that.
    pub(crate) fn wait_long(&self) {
        if self.is_reached().is_some() {
            self.probe(WAITING_KEEPALIVE_EVERY);
        }
    }

    /// Asks a peer less often that is out of reach.
    pub(crate) fn wait_for_return(&self) {
        self.probe(LOST_KEEPALIVE_EVERY);
    }

    fn probe(&self, every: Duration) {
        let Some(tcp) = self.bottom() else { return };
        let keepalive = TcpKeepalive::new()
            .with_time(WAITING_KEEPALIVE_AFTER + spread(number(), WAITING_KEEPALIVE_SPREAD))
            .with_interval(every)
            .with_retries(WAITING_KEEPALIVE_TRIES);
        // It cannot fail on a connected socket; a peer that is gone already shows at the first read.
        let _ = SockRef::from(tcp).set_tcp_keepalive(&keepalive);
    }

    /// Whether its peer answers probes; none where nobody knows.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_reached(&self) -> Option<bool> {
        Some(crate::probes::unanswered(self.bottom()?)? < OUT_OF_REACH)
    }

    /// Whether its peer answers probes; none where nobody knows.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn is_reached(&self) -> Option<bool> {
        None
    }

    /// Lets the kernel hold about so many bytes that it has not sent yet.
    pub(crate) fn keep_unsent(&self, bytes: u32) {
        let Some(tcp) = self.bottom() else { return };
        // A kernel without it holds what it likes.
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(tcp).set_tcp_notsent_lowat(bytes);
        #[cfg(not(target_os = "linux"))]
        let _ = (tcp, bytes);
    }

    /// Makes the connection's end a reset: one that was not meant must not look like one that was.
    pub(crate) fn reset(&self) {
        if let Some(tcp) = self.bottom() {
            // Where that fails, the socket is gone already.
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }

    /// The TCP connection at the bottom.
    fn bottom(&self) -> Option<&TcpStream> {
        match &self.io {
            Io::Tcp(tcp) => Some(tcp),
            Io::Unix(_) => None,
            Io::TlsAccepted(tls) => tls.get_ref().0.bottom(),
            Io::TlsDialled(tls) => tls.get_ref().0.bottom(),
        }
    }

    /// Lets the stream live no longer than its session may.
    #[must_use]
    pub fn leashed(self, place: Place) -> Self {
        let cut = Box::pin(place.cut().cancelled_owned());
        Self { leash: Some(Box::new(Leash { cut, _place: place })), ..self }
    }

    /// Puts bytes that were read ahead back in front.
    pub fn unread(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let mut all = bytes.to_vec();
        if let Some(ahead) = self.ahead.take() {
            all.extend_from_slice(&ahead.bytes[ahead.taken..]);
        }
        self.ahead = Some(Box::new(Ahead { bytes: all, taken: 0 }));
    }

    /// The bytes that stand in front.
    pub fn ahead(&self) -> &[u8] {
        self.ahead.as_ref().map_or(&[], |ahead| &ahead.bytes[ahead.taken..])
    }

    /// Takes so many of the bytes that stand in front away.
    pub fn skip(&mut self, count: usize) {
        let Some(ahead) = &mut self.ahead else { return };
        ahead.taken = ahead.bytes.len().min(ahead.taken + count);
        if ahead.taken == ahead.bytes.len() {
            self.ahead = None;
        }
    }
}

/// Lets small packets go out at once, and vanished peers be noticed: on this socket, or on those that a listener accepts.
pub(crate) fn prepare<'a>(socket: impl Into<SockRef<'a>>) {
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

/// The number of a connection, by which it differs from those that were made together with it.
fn number() -> u32 {
    static NUMBERED: AtomicU32 = AtomicU32::new(0);
    NUMBERED.fetch_add(1, Ordering::Relaxed)
}

/// Up to so many seconds, by a connection's number.
fn spread(number: u32, most: u32) -> Duration {
    Duration::from_secs((number % most).into())
}

impl From<TcpStream> for Stream {
    /// Takes a TCP connection in.
    fn from(tcp: TcpStream) -> Self {
        prepare(&tcp);
        Self::prepared(tcp)
    }
}

impl From<UnixStream> for Stream {
    fn from(unix: UnixStream) -> Self {
        Self { ahead: None, leash: None, io: Io::Unix(unix) }
    }
}

impl From<tokio_rustls::server::TlsStream<Stream>> for Stream {
    fn from(tls: tokio_rustls::server::TlsStream<Stream>) -> Self {
        Self { ahead: None, leash: None, io: Io::TlsAccepted(Box::new(tls)) }
    }
}

impl From<tokio_rustls::client::TlsStream<Stream>> for Stream {
    fn from(tls: tokio_rustls::client::TlsStream<Stream>) -> Self {
        Self { ahead: None, leash: None, io: Io::TlsDialled(Box::new(tls)) }
    }
}

macro_rules! on_io {
    ($stream:expr, $io:ident => $body:expr) => {
        match &mut $stream.io {
            Io::Tcp(tcp) => {
                let $io = Pin::new(tcp);
                $body
            }
            Io::Unix(unix) => {
                let $io = Pin::new(unix);
                $body
            }
            Io::TlsAccepted(tls) => {
                let $io = Pin::new(&mut **tls);
                $body
            }
            Io::TlsDialled(tls) => {
                let $io = Pin::new(&mut **tls);
                $body
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = self.ahead();
        if !rest.is_empty() {
            let count = rest.len().min(buffer.remaining());
            buffer.put_slice(&rest[..count]);
            self.skip(count);
            return Poll::Ready(Ok(()));
        }
        if let Some(leash) = &mut self.leash
            && leash.cut.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        on_io!(self, io => io.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_io!(self, io => io.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_io!(self, io => io.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_io!(self, io => io.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_io!(self, io => io.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Tcp(tcp) => tcp.is_write_vectored(),
            Io::Unix(unix) => unix.is_write_vectored(),
            Io::TlsAccepted(tls) => tls.is_write_vectored(),
            Io::TlsDialled(tls) => tls.is_write_vectored(),
        }
    }
}

/// Reads once into `buffer`: how many bytes, 0 at the end.
pub(crate) fn poll_read_some(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
