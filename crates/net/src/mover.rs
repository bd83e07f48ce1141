//! The mover of one direction's bytes, from a stream to a peer. It reads them into the thread's
//! [scratch buffer](scratch), or moves bulk between two bare TCP connections inside the kernel.

use std::io;
use std::task::{Context, Poll};

#[cfg(target_os = "linux")]
use tokio::net::TcpStream;

use crate::outbox::Outbox;
#[cfg(target_os = "linux")]
use crate::splice::{self, Taken};
use crate::{Stream, poll_read_some, scratch};

/// The fewest bytes for which a move inside the kernel pays off. Below this, the system calls cost
/// more than the copies that they save.
pub const BULK: usize = 32 * 1024;

/// A peer that bytes are moved to. It accepts all bytes at once: those that it cannot write now
/// wait in its outbox. The caller drains the outbox before it moves more.
pub trait Sink {
    /// The space before the bytes for the header of a frame, at most [`scratch::HEAD_ROOM`].
    const HEAD_ROOM: usize;

    /// Sends the bytes after the head-room of `framed`.
    fn send(&mut self, cx: &mut Context<'_>, framed: &mut [u8]) -> io::Result<()>;

    /// The bare TCP connection, if there is no layer above it.
    #[cfg(target_os = "linux")]
    fn tcp(&self) -> Option<&TcpStream>;

    /// Sends bytes that are still in the kernel. Requires a bare TCP connection.
    #[cfg(target_os = "linux")]
    fn send_taken(&mut self, taken: Taken) -> io::Result<()>;
}

/// A peer that receives the bytes without framing.
#[derive(Debug)]
pub struct Unframed<'a> {
    /// The stream to the peer.
    pub stream: &'a mut Stream,
    /// The bytes that the peer has not taken.
    pub outbox: &'a mut Outbox,
}

impl Sink for Unframed<'_> {
    const HEAD_ROOM: usize = 0;

    fn send(&mut self, cx: &mut Context<'_>, framed: &mut [u8]) -> io::Result<()> {
        self.outbox.send(self.stream, cx, framed)
    }

    #[cfg(target_os = "linux")]
    fn tcp(&self) -> Option<&TcpStream> {
        self.stream.tcp()
    }

    #[cfg(target_os = "linux")]
    fn send_taken(&mut self, taken: Taken) -> io::Result<()> {
        let to = self.stream.tcp().ok_or(io::ErrorKind::Unsupported)?;
        self.outbox.send_taken(taken, &[], to)
    }
}

/// The bounds of one move.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// The most bytes of a read, at most [`scratch::MOST`].
    pub most: usize,
    /// The size of a read from which the next bytes count as bulk and stay in the kernel.
    pub bulk: usize,
    /// Permission to leave the bytes in the kernel, where the caller does not see them.
    pub in_kernel: bool,
}

/// The side that failed.
#[derive(Debug)]
pub enum Lost {
    /// The stream that is read from.
    Source(io::Error),
    /// The peer that is written to.
    Sink(io::Error),
}

impl From<Lost> for io::Error {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Source(error) | Lost::Sink(error) => error,
        }
    }
}

/// The state of one direction. `bulk` is true if the last move was so large that bulk is expected.
#[derive(Debug, Default)]
pub struct Mover {
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux moves bytes in the kernel"))]
    bulk: bool,
}

impl Mover {
    /// Moves some bytes to `to`, whose outbox must be empty. Passes the bytes to `see` first,
    /// unless they stay in the kernel. Returns their number, or 0 at the end of `from`.
    pub fn poll_move<S: Sink>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut S,
        portion: Portion,
        see: impl FnOnce(&[u8]),
    ) -> Poll<Result<usize, Lost>> {
        const { assert!(S::HEAD_ROOM <= scratch::HEAD_ROOM) };
        #[cfg(target_os = "linux")]
        if self.bulk
            && portion.in_kernel
            && let Some(moved) = self.poll_splice(cx, from, to)
        {
            return moved;
        }
        scratch::with(|scratch| {
            let room = &mut scratch[S::HEAD_ROOM..S::HEAD_ROOM + portion.most];
            let count = match poll_read_some(from, cx, room) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => read.map_err(Lost::Source)?,
            };
            if count > 0 {
                see(&room[..count]);
                to.send(cx, &mut scratch[..S::HEAD_ROOM + count]).map_err(Lost::Sink)?;
            }
            self.bulk = count >= portion.bulk;
            Poll::Ready(Ok(count))
        })
    }

    /// Moves bytes that stay in the kernel. Returns `None` if that is not possible now.
    #[cfg(target_os = "linux")]
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        from: &Stream,
        to: &mut impl Sink,
    ) -> Option<Poll<Result<usize, Lost>>> {
        let from = from.tcp().filter(|_| to.tcp().is_some())?;
        let Poll::Ready(taken) = splice::poll_take(from, cx) else { return Some(Poll::Pending) };
        self.bulk = false;
        let Some(taken) = taken.ok()? else { return Some(Poll::Ready(Ok(0))) };
        let count = taken.count();
        self.bulk = count >= BULK;
        Some(Poll::Ready(to.send_taken(taken).map(|()| count).map_err(Lost::Sink)))
    }
}
