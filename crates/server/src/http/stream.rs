//! The stream below hyper.
//!
//! Its peer must take what is written to it, since hyper itself waits for ever. And it keeps the answer that ends HTTP: who
//! goes on with the connection says that together with its own first words, in one packet.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::stream::Stream;

/// A browser on the worst network takes something in half a minute; who takes nothing only holds memory and a descriptor.
const STALL: Duration = Duration::from_secs(30);

/// A stream whose writes fail once the peer has taken nothing for [`STALL`].
pub(crate) struct HttpStream {
    stream: Stream,
    /// Whether the answer that ends HTTP was given: from then on, what is written is kept.
    ended: Arc<AtomicBool>,
    kept: Vec<u8>,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl HttpStream {
    /// A stream that goes over to another protocol once `ended` is set.
    pub(crate) fn new(stream: Stream, ended: Arc<AtomicBool>) -> Self {
        Self { stream, ended, kept: Vec::new(), stalled: None }
    }

    /// The stream below, and what its peer is still to be told.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.kept)
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
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.judge(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, shut)
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
