//! A byte stream to a peer, over any transport.

use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::keepalive;

/// The number of unanswered probes from which a peer counts as out of reach. A single probe may be
/// lost.
#[cfg(target_os = "linux")]
const OUT_OF_REACH: u8 = 2;

/// A byte stream, preceded by bytes that were read ahead.
#[derive(Debug)]
pub struct Stream {
    ahead: Option<Box<Ahead>>,
    leash: Option<Box<Leash>>,
    io: Io,
}

/// A value that lives as long as the stream.
struct Held(
    #[expect(dead_code, reason = "it is held, and dropped with the stream")] Box<dyn Any + Send + Sync>,
);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

/// The means to end a stream from elsewhere.
#[derive(Debug)]
struct Leash {
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    _held: Held,
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
    Layered(Box<dyn Layer>),
}

/// A protocol between a stream and its user, such as WebSocket. It buffers writes until a flush.
pub trait Layer: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin + 'static {
    /// Returns the stream that carries the protocol.
    fn below(&self) -> &Stream;
}

impl Stream {
    /// Wraps a TCP connection that was [prepared](crate::prepare), or whose listener was.
    pub fn prepared(tcp: TcpStream) -> Self {
        Self { ahead: None, leash: None, io: Io::Tcp(tcp) }
    }

    /// Wraps a protocol together with the stream below it.
    pub fn layered(layer: impl Layer) -> Self {
        Self { ahead: None, leash: None, io: Io::Layered(Box::new(layer)) }
    }

    /// Returns whether writes stay in this process's buffers until they are flushed.
    #[must_use]
    pub fn buffers_writes(&self) -> bool {
        matches!(self.io, Io::TlsAccepted(_) | Io::TlsDialled(_) | Io::Layered(_))
    }

    /// Returns the bare connection if there is no layer between it and the peer.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.io {
            Io::Tcp(tcp) if self.ahead.is_none() && self.leash.is_none() => Some(tcp),
            _ => None,
        }
    }

    /// Notices the loss of the peer sooner than usual, because a NAT between may drop the
    /// connection.
    pub fn watch_closely(&self) {
        let Some(tcp) = self.bottom() else { return };
        keepalive::watch_closely(tcp);
    }

    /// Holds the connection open while its peer is out of reach, if the kernel can report that.
    pub fn wait_long(&self) {
        if self.is_reached().is_some()
            && let Some(tcp) = self.bottom()
        {
            keepalive::wait_long(tcp);
        }
    }

    /// Probes a peer less often while it is out of reach.
    pub fn wait_for_return(&self) {
        if let Some(tcp) = self.bottom() {
            keepalive::wait_for_return(tcp);
        }
    }

    /// Returns whether the peer answers probes; `None` if that is unknown.
    #[cfg(target_os = "linux")]
    pub fn is_reached(&self) -> Option<bool> {
        Some(crate::probes::unanswered(self.bottom()?)? < OUT_OF_REACH)
    }

    /// Returns whether the peer answers probes; `None` if that is unknown.
    #[cfg(not(target_os = "linux"))]
    pub fn is_reached(&self) -> Option<bool> {
        None
    }

    /// Limits the unsent bytes that the kernel holds to about this many.
    pub fn keep_unsent(&self, bytes: u32) {
        let Some(tcp) = self.bottom() else { return };
        // A kernel without this option does not limit them.
        #[cfg(target_os = "linux")]
        let _ = SockRef::from(tcp).set_tcp_notsent_lowat(bytes);
        #[cfg(not(target_os = "linux"))]
        let _ = (tcp, bytes);
    }

    /// Makes the connection end with a reset, so that the peer does not mistake a failure for a
    /// regular end.
    pub fn reset(&self) {
        if let Some(tcp) = self.bottom() {
            // If this fails, the connection is already closed.
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }

    /// Returns the TCP connection at the bottom.
    fn bottom(&self) -> Option<&TcpStream> {
        match &self.io {
            Io::Tcp(tcp) => Some(tcp),
            Io::Unix(_) => None,
            Io::TlsAccepted(tls) => tls.get_ref().0.bottom(),
            Io::TlsDialled(tls) => tls.get_ref().0.bottom(),
            Io::Layered(layer) => layer.below().bottom(),
        }
    }

    /// Ends the stream when `cut` is cancelled, and keeps `held` alive as long as the stream.
    #[must_use]
    pub fn leashed(self, cut: CancellationToken, held: impl Send + Sync + 'static) -> Self {
        let (cut, held) = (Box::pin(cut.cancelled_owned()), Held(Box::new(held)));
        Self { leash: Some(Box::new(Leash { cut, _held: held })), ..self }
    }

    /// Puts back bytes that were read ahead. The next read returns them first.
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

    /// Returns the bytes that were read ahead.
    pub fn ahead(&self) -> &[u8] {
        self.ahead.as_ref().map_or(&[], |ahead| &ahead.bytes[ahead.taken..])
    }

    /// Removes this many of the bytes that were read ahead.
    pub fn skip(&mut self, count: usize) {
        let Some(ahead) = &mut self.ahead else { return };
        ahead.taken = ahead.bytes.len().min(ahead.taken + count);
        if ahead.taken == ahead.bytes.len() {
            self.ahead = None;
        }
    }
}

impl From<TcpStream> for Stream {
    /// Wraps a TCP connection and prepares it.
    fn from(tcp: TcpStream) -> Self {
        keepalive::prepare(&tcp);
        Self::prepared(tcp)
    }
}

impl From<UnixStream> for Stream {
    fn from(unix: UnixStream) -> Self {
        Self { ahead: None, leash: None, io: Io::Unix(unix) }
    }
}

impl From<tokio_rustls::server::TlsStream<Self>> for Stream {
    fn from(tls: tokio_rustls::server::TlsStream<Self>) -> Self {
        Self { ahead: None, leash: None, io: Io::TlsAccepted(Box::new(tls)) }
    }
}

impl From<tokio_rustls::client::TlsStream<Self>> for Stream {
    fn from(tls: tokio_rustls::client::TlsStream<Self>) -> Self {
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
            Io::Layered(layer) => {
                let $io = Pin::new(&mut **layer);
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
            Io::Layered(layer) => layer.is_write_vectored(),
        }
    }
}

/// Reads once into `buffer` and returns the number of bytes, 0 at the end.
pub fn poll_read_some(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
