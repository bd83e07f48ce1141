//! The stream below hyper.
//!
//! Its peer must take what is written to it, since hyper itself waits for ever. It keeps the answer that ends HTTP: who
//! goes on with the connection says that together with its own first words, in one packet. And it finds the words for hyper's own
//! answer to a head that is too long, which has none, and hears its sender out so that they arrive.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use transom_net::{Stream, poll_read_some};

/// A browser on the worst network takes something in half a minute; who takes nothing only holds memory and a descriptor.
const STALL: Duration = Duration::from_secs(30);

/// The beginning of hyper's answer to a head beyond its limit; nobody else gives it over HTTP/1.
const TOO_LONG: &[u8] = b"HTTP/1.1 431 ";
const LONGEST_REFUSAL: usize = 256;
/// What the sender of such a head is told; nothing is known of whose path it is.
pub const HEAD_TOO_LONG: &str = "The request's headers are too long: 32 KiB are read. In a browser, cookies of other \
                                        sites of this domain may be the cause.\n";
/// Who sent a head that is too long has this long to have heard it, and is not listened to further than this.
const PARTING: Duration = Duration::from_secs(1);
const MAX_UNREAD: usize = 256 * 1024;

/// A stream whose writes fail once the peer has taken nothing for [`STALL`].
pub struct HttpStream {
    stream: Stream,
    /// Whether the answer that ends HTTP was given: from then on, what is written is kept.
    ended: Arc<AtomicBool>,
    kept: Vec<u8>,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What hyper takes for written, and is not yet.
    owed: Vec<u8>,
    /// The sender of a head that was too long is heard out: until then, and so many bytes of it.
    parting: Option<Parting>,
}

/// How much longer a peer is heard that has had its answer.
struct Parting {
    over: Pin<Box<Sleep>>,
    unread: usize,
}

impl HttpStream {
    /// A stream that goes over to another protocol once `ended` is set.
    pub fn new(stream: Stream, ended: Arc<AtomicBool>) -> Self {
        Self { stream, ended, kept: Vec::new(), stalled: None, owed: Vec::new(), parting: None }
    }

    /// The stream below, and what its peer is still to be told.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.kept)
    }

    /// Whether hyper refuses a head that is too long; then our own words for it are owed.
    fn finds_words(&mut self, written: &[u8]) -> bool {
        // A whole head, and no piece of somebody's body that reads so.
        let refuses = written.starts_with(TOO_LONG)
            && written.ends_with(b"\r\n\r\n")
            && written.len() < LONGEST_REFUSAL;
        if refuses {
            self.owed = format!(
                "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{HEAD_TOO_LONG}",
                HEAD_TOO_LONG.len()
            )
            .into_bytes();
            self.parting = Some(Parting { over: Box::pin(sleep(PARTING)), unread: MAX_UNREAD });
        }
        refuses
    }

    /// Writes what is owed.
    fn poll_owed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.owed.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.owed))?;
            self.owed.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what the peer still sends: closing while unread bytes wait would reset the connection, and the answer could be
    /// lost with it.
    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { stream, parting: Some(parting), .. } = self else { return Poll::Ready(()) };
        let mut sink = [0; 4096];
        while parting.unread > 0 && parting.over.as_mut().poll(cx).is_pending() {
            match ready!(poll_read_some(stream, cx, &mut sink)) {
                Ok(0) | Err(_) => break,
                Ok(count) => parting.unread = parting.unread.saturating_sub(count),
            }
        }
        Poll::Ready(())
    }

    /// Passes on what is done; what waits, waits until the deadline.
    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(STALL)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for HttpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for HttpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.ended.load(Ordering::Relaxed) {
            self.kept.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.finds_words(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.poll_owed(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_flush(cx),
            owed => owed,
        };
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match self.poll_owed(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_shutdown(cx),
            owed => owed,
        };
        ready!(self.judge(cx, shut))?;
        self.poll_parting(cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.ended.load(Ordering::Relaxed) {
            let before = self.kept.len();
            self.kept.extend(slices.iter().flat_map(|slice| &**slice));
            return Poll::Ready(Ok(self.kept.len() - before));
        }
        if slices.first().is_some_and(|first| self.finds_words(first)) {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
