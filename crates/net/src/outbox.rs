//! Bytes that wait until a peer takes them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;
#[cfg(target_os = "linux")]
use tokio::net::TcpStream;

use crate::Stream;
#[cfg(target_os = "linux")]
use crate::splice::Taken;

/// Bytes that a peer has not taken yet. It holds no memory while it is empty.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// True if bytes may wait in the stream's own buffer.
    unflushed: bool,
}

impl Outbox {
    /// Returns `true` when no bytes wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The number of bytes that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// The bytes that wait, to append others to.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        self.unflushed = true;
        &mut self.bytes
    }

    /// Writes `bytes` after those that wait, as far as `stream` takes them now; the rest waits.
    pub fn send(&mut self, stream: &mut Stream, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.is_empty() { write_some(stream, cx, bytes)? } else { 0 };
        self.bytes.extend_from_slice(&bytes[sent..]);
        self.unflushed |= stream.buffers_writes();
        Ok(())
    }

    /// Writes several pieces together, as far as `stream` takes them now; the rest waits. The
    /// outbox must be empty.
    pub fn send_pieces(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        mut pieces: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        debug_assert!(self.is_empty(), "these bytes would overtake others");
        while !pieces.is_empty() {
            match Pin::new(&mut *stream).poll_write_vectored(cx, pieces) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => IoSlice::advance_slices(&mut pieces, count),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
        self.unflushed |= stream.buffers_writes();
        Ok(())
    }

    /// Writes `head` and the `taken` bytes after it to `to`, as far as it takes them now; the rest
    /// waits. The outbox must be empty.
    #[cfg(target_os = "linux")]
    pub fn send_taken(&mut self, taken: Taken, head: &[u8], to: &TcpStream) -> io::Result<()> {
        debug_assert!(self.is_empty(), "these bytes would overtake others");
        taken.put(head, to, &mut self.bytes)
    }

    /// Writes the bytes that wait; ready when none are left, here or in the stream's own buffer.
    pub fn poll_drain(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.bytes.is_empty() {
            self.sent += write_some(stream, cx, &self.bytes[self.sent..])?;
            if self.sent < self.bytes.len() {
                return Poll::Pending;
            }
            *self = Self { unflushed: self.unflushed, ..Self::default() };
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl From<Vec<u8>> for Outbox {
    /// An outbox in which `bytes` wait.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, sent: 0, unflushed: true }
    }
}

/// Writes until the stream takes no more, and returns the number of bytes that it took.
fn write_some(stream: &mut Stream, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match Pin::new(&mut *stream).poll_write(cx, &bytes[sent..]) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => sent += count,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    Ok(sent)
}
