//! One direction of a session between bare sockets: `splice(2)` through a pipe, so that the bytes stay in the kernel.

use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::pace::{Pace, Paced};

/// What one pipe holds at most, and so what a session whose receiver stalls has in it. Larger pieces cost less each.
const PIPE: usize = 128 * 1024;
/// Pipes that a thread keeps for the next session: most are needed for a moment only.
const KEPT: usize = 16;

thread_local! {
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
}

impl Pipe {
    fn borrow() -> io::Result<Self> {
        if let Some(kept) = PIPES.with_borrow_mut(Vec::pop) {
            return Ok(kept);
        }
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Who has used up its share of the kernel's memory for pipes gets a smaller one.
        let _ = fcntl_setpipe_size(&into, PIPE);
        Ok(Self { out, into })
    }

    /// Only when it is empty.
    fn give_back(self) {
        PIPES.with_borrow_mut(|kept| {
            if kept.len() < KEPT {
                kept.push(self);
            }
        });
    }
}

/// Where one direction stands.
#[derive(Default)]
pub(super) struct Splice {
    /// The pipe, while something is in it, and how much that is.
    held: Option<(Pipe, usize)>,
    paced: Paced,
    over: bool,
}

impl Splice {
    /// Goes on as far as it goes now; ready once the end was passed on.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        to: &TcpStream,
        count: &AtomicU64,
        pace: &mut Option<Pace>,
    ) -> io::Result<Poll<()>> {
        while !self.over {
            if let Some((pipe, held)) = self.held.take() {
                if to.poll_write_ready(cx)?.is_pending() {
                    self.held = Some((pipe, held));
                    return Ok(Poll::Pending);
                }
                let moved = tried(to.try_io(Interest::WRITABLE, || moved(&pipe.out, to, held)))?.unwrap_or(0);
                count.fetch_add(moved as u64, Ordering::Relaxed);
                if moved < held {
                    self.held = Some((pipe, held - moved));
                } else {
                    pipe.give_back();
                }
                continue;
            }
            let Poll::Ready(most) = self.paced.poll(cx, pace) else { return Ok(Poll::Pending) };
            if from.poll_read_ready(cx)?.is_pending() {
                return Ok(Poll::Pending);
            }
            let pipe = Pipe::borrow()?;
            match tried(from.try_io(Interest::READABLE, || moved(from, &pipe.into, most.min(PIPE))))? {
                // The pipe was empty: it is the socket that has nothing.
                None => pipe.give_back(),
                Some(0) => {
                    pipe.give_back();
                    SockRef::from(to).shutdown(Shutdown::Write)?;
                    self.over = true;
                }
                Some(count) => {
                    pace.iter_mut().for_each(|pace| pace.passed(count));
                    self.held = Some((pipe, count));
                }
            }
        }
        Ok(Poll::Ready(()))
    }
}

fn moved(from: impl std::os::fd::AsFd, to: impl std::os::fd::AsFd, most: usize) -> io::Result<usize> {
    Ok(splice(from, None, to, None, most, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)
}

/// Nothing where it would block.
fn tried(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(count) => Ok(Some(count)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
