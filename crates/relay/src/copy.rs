//! One direction of a session: by reading and writing, and bulk between bare sockets without leaving the kernel.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite as _;
#[cfg(target_os = "linux")]
use transom_net::splice;
use transom_net::{Stream, poll_read_some};

use super::pace::{Pace, Paced};

/// Bulk is bound by the kernel's copies: read size is the largest lever on cost.
const READ: usize = 128 * 1024;
/// A read of so much is one of many: they go without leaving the kernel.
const BULK: usize = 32 * 1024;

thread_local! {
    /// Lent for the time of one poll: a silent session holds none.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Where one direction stands.
#[derive(Default)]
pub(super) struct Copy {
    /// What was read and is not taken yet, from `taken` on.
    rest: Vec<u8>,
    taken: usize,
    unflushed: bool,
    /// What came last came in large pieces: more of them is to be expected.
    bulk: bool,
    paced: Paced,
    end: End,
}

#[derive(Default, PartialEq)]
enum End {
    #[default]
    NotSeen,
    Seen,
    PassedOn,
}

impl Copy {
    /// Goes on as far as it goes now; ready once the end was passed on.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        count: &AtomicU64,
        pace: &mut Option<Pace>,
    ) -> io::Result<Poll<()>> {
        loop {
            if self.end == End::PassedOn {
                return Ok(Poll::Ready(()));
            }
            if self.taken < self.rest.len() {
                match Pin::new(&mut *to).poll_write(cx, &self.rest[self.taken..])? {
                    Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(written) => self.wrote(written, to, count),
                    Poll::Pending => return Ok(Poll::Pending),
                }
                continue;
            }
            (self.rest, self.taken) = (Vec::new(), 0);
            if self.end == End::Seen {
                if Pin::new(&mut *to).poll_shutdown(cx)?.is_pending() {
                    return Ok(Poll::Pending);
                }
                self.end = End::PassedOn;
                continue;
            }
            let Poll::Ready(most) = self.paced.poll(cx, pace) else { return Ok(Poll::Pending) };
            match self.poll_move(cx, from, to, count, most)? {
                Poll::Ready(0) => self.end = End::Seen,
                Poll::Ready(read) => pace.iter_mut().for_each(|pace| pace.passed(read)),
                Poll::Pending => {
                    if self.unflushed {
                        self.unflushed = Pin::new(&mut *to).poll_flush(cx)?.is_pending();
                    }
                    return Ok(Poll::Pending);
                }
            }
        }
    }

    /// Moves some bytes: how many, none at the end.
    fn poll_move(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        count: &AtomicU64,
        most: usize,
    ) -> io::Result<Poll<usize>> {
        #[cfg(target_os = "linux")]
        if self.bulk
            && most == usize::MAX
            && let Some(moved) = self.poll_splice(cx, from, to, count)?
        {
            return Ok(moved);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let room = &mut scratch[..most.min(READ)];
            let Poll::Ready(read) = poll_read_some(from, cx, room)? else { return Ok(Poll::Pending) };
            let written = if read == 0 { 0 } else { self.write_at_once(cx, to, &room[..read])? };
            self.wrote(written, to, count);
            self.taken = 0;
            self.rest = room[written..read].to_vec();
            self.bulk = read >= BULK;
            Ok(Poll::Ready(read))
        })
    }

    /// Moves bulk without copying it, where both ends are bare sockets.
    #[cfg(target_os = "linux")]
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        from: &Stream,
        to: &Stream,
        count: &AtomicU64,
    ) -> io::Result<Option<Poll<usize>>> {
        let (Some(source), Some(sink)) = (from.tcp(), to.tcp()) else { return Ok(None) };
        let Poll::Ready(taken) = splice::poll_take(source, cx) else { return Ok(Some(Poll::Pending)) };
        self.bulk = taken.as_ref().is_ok_and(|taken| taken.count() >= BULK);
        let Ok(taken) = taken else { return Ok(None) };
        let moved = taken.count();
        taken.put(&[], sink, &mut self.rest)?;
        self.wrote(moved - self.rest.len(), to, count);
        self.taken = 0;
        Ok(Some(Poll::Ready(moved)))
    }

    /// How much of it is taken right now.
    fn write_at_once(&mut self, cx: &mut Context<'_>, to: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(to).poll_write(cx, bytes)? {
            Poll::Ready(0) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(written) => Ok(written),
            Poll::Pending => Ok(0),
        }
    }

    fn wrote(&mut self, written: usize, to: &Stream, count: &AtomicU64) {
        self.taken += written;
        self.unflushed |= written > 0 && to.buffers_writes();
        count.fetch_add(written as u64, Ordering::Relaxed);
    }
}
