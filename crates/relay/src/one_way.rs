//! A direction of a session: moves bytes through the bulk mover, no faster than the session's
//! limit.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;
use transom_net::mover::{BULK, Mover, Portion, Unframed};
use transom_net::{Outbox, Stream};

use super::pace::{Pace, Paced};

/// The size of one read. Bulk transfers cost mostly copies to and from the kernel, whose number the
/// size of a read decides.
const READ: usize = 128 * 1024;

/// The state of one direction.
#[derive(Default)]
pub(super) struct OneWay {
    outbox: Outbox,
    mover: Mover,
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

impl OneWay {
    /// Moves the bytes that can move now. Ready once the end of `from` has been passed on to `to`.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        count: &AtomicU64,
        pace: &mut Option<Pace>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.end == End::PassedOn {
                return Poll::Ready(Ok(()));
            }
            let waiting = self.outbox.waiting();
            let drained = self.outbox.poll_drain(to, cx)?;
            passed(count, waiting - self.outbox.waiting());
            ready!(drained);
            if self.end == End::Seen {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.end = End::PassedOn;
                continue;
            }
            let most = ready!(self.paced.poll(cx, pace));
            let portion = Portion { most: most.min(READ), bulk: BULK, in_kernel: most == usize::MAX };
            let mut sink = Unframed { stream: to, outbox: &mut self.outbox };
            match ready!(self.mover.poll_move(cx, from, &mut sink, portion, |_| {}))? {
                0 => self.end = End::Seen,
                moved => {
                    passed(count, moved - self.outbox.waiting());
                    pace.iter_mut().for_each(|pace| pace.passed(moved));
                }
            }
        }
    }
}

fn passed(count: &AtomicU64, bytes: usize) {
    if bytes > 0 {
        count.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
