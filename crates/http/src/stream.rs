//! The stream below hyper.
//!
//! It fails writes that the peer does not take, since hyper itself would wait forever. It buffers
//! the answer that ends HTTP, so that the next protocol can send it in one packet with its own
//! first words. It adds a body to hyper's answer to an oversized head, and then reads what the
//! sender still sends, so that the answer arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use transom_net::{Stream, poll_read_some};

/// The time after which a write fails if the peer takes no bytes. A browser on the worst network
/// takes some within half a minute. A peer that takes none only holds memory and a descriptor.
const STALL: Duration = Duration::from_secs(30);

/// The beginning of hyper's answer to an oversized head. Over HTTP/1, only hyper sends it.
const TOO_LONG: &[u8] = b"HTTP/1.1 431 ";
const LONGEST_REFUSAL: usize = 256;
/// The text for the sender of an oversized head. Its path, and so its dialect, is unknown.
pub const HEAD_TOO_LONG: &str = "The request's headers are too long: the limit is 32 KiB. In a browser, cookies of other \
                                        sites of this domain may be the cause.\n";
/// The time and the number of bytes for which the stream reads on after an oversized head.
const PARTING: Duration = Duration::from_secs(1);
const MAX_UNREAD: usize = 256 * 1024;

/// A stream whose writes fail once the peer has taken no bytes for `STALL`.
pub struct HttpStream {
    stream: Stream,
    /// True once the answer that ends HTTP was given. From then on, written bytes are buffered.
    ended: Arc<AtomicBool>,
    buffered: Vec<u8>,
    /// The deadline of a waiting write.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes that hyper considers written and that are still to be written.
    pending: Vec<u8>,
    /// The limits on reading from a sender whose head was too long.
    parting: Option<Parting>,
}

/// The limits on reading from a peer that has its answer.
struct Parting {
    over: Pin<Box<Sleep>>,
    unread: usize,
}

impl HttpStream {
    /// Creates a stream that changes to another protocol once `ended` is set.
    pub fn new(stream: Stream, ended: Arc<AtomicBool>) -> Self {
        Self { stream, ended, buffered: Vec::new(), stalled: None, pending: Vec::new(), parting: None }
    }

    /// Returns the underlying stream, and the bytes that the peer has yet to receive.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.buffered)
    }

    /// Recognises hyper's refusal of an oversized head, and prepares Transom's own answer instead.
    /// Returns whether it did.
    fn finds_words(&mut self, written: &[u8]) -> bool {
        // It must be a whole head, not a piece of a body that looks like one.
        let refuses = written.starts_with(TOO_LONG)
            && written.ends_with(b"\r\n\r\n")
            && written.len() < LONGEST_REFUSAL;
        if refuses {
            self.pending = format!(
                "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n{HEAD_TOO_LONG}",
                HEAD_TOO_LONG.len()
            )
            .into_bytes();
            self.parting = Some(Parting { over: Box::pin(sleep(PARTING)), unread: MAX_UNREAD });
        }
        refuses
    }

    /// Writes the prepared answer.
    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.pending))?;
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads what the peer still sends. A close with unread bytes would reset the connection and
    /// could lose the answer.
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

    /// Returns the result of a write. A write that is still pending at the deadline fails.
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
            self.buffered.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.finds_words(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.poll_pending(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_flush(cx),
            pending => pending,
        };
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match self.poll_pending(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_shutdown(cx),
            pending => pending,
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
            let before = self.buffered.len();
            self.buffered.extend(slices.iter().flat_map(|slice| &**slice));
            return Poll::Ready(Ok(self.buffered.len() - before));
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
