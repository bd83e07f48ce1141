//! The viewer during the dial: the gateway tells it the cause of the wait, and notices if it
//! leaves.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, interval_at, sleep, sleep_until};
use transom_model::dial_step::DialStep;
use transom_model::end_reason::End;

use super::channel::{ToPage, Wait};
use super::limits::{INSTANCE_HANDSHAKE, SLOW_DIAL};
use super::link::{self, Link, Received};
use super::viewer_beats::Beats;

/// The size of one read.
const READ: usize = 512;
/// The number of bytes that a viewer may send ahead of its handshake.
const EARLY: usize = 4 * 1024;

/// The progress of a dial, for its viewer or for a test.
#[derive(Debug, Default)]
pub struct Dialling {
    greeted: AtomicBool,
    /// The steps and their beginnings, if a test wants to know them.
    begun: Option<Mutex<Vec<(DialStep, Instant)>>>,
}

impl Dialling {
    /// The progress of a dial whose steps are timed.
    pub(super) fn timed() -> Self {
        Self { begun: Some(Mutex::default()), ..Self::default() }
    }

    /// Notes that a step begins, and that those before it succeeded.
    pub(super) fn begins(&self, step: DialStep) {
        let Some(begun) = &self.begun else { return };
        let mut begun = begun.lock();
        if begun.last().is_none_or(|(last, _)| *last != step) {
            begun.push((step, Instant::now()));
        }
    }

    /// The steps and their durations, if the last one has just ended.
    pub(super) fn steps(&self) -> Vec<(DialStep, Duration)> {
        let begun = self.begun.as_ref().map(|begun| begun.lock().clone()).unwrap_or_default();
        let ends = begun.iter().skip(1).map(|(_, begun)| *begun).chain([Instant::now()]);
        begun.iter().zip(ends).map(|((step, begun), end)| (*step, end.duration_since(*begun))).collect()
    }

    /// Notes that the instance speaks RFB. From now on a person there may be the cause of the wait.
    pub(super) fn greeted(&self) {
        self.greeted.store(true, Ordering::Relaxed);
    }

    fn wait(&self) -> Wait {
        if self.greeted.load(Ordering::Relaxed) { Wait::Acceptance } else { Wait::Connection }
    }
}

/// Attends to a viewer until the dial is over, and collects the bytes that it sends early. Returns
/// only if the viewer leaves.
///
/// A raw viewer is left alone. A WebSocket without the page's channel is left alone for the length
/// of a usual dial: its bytes wait in the kernel.
pub(super) async fn attend(link: &mut Link, dialling: &Dialling, early: &mut Vec<u8>) -> End {
    if link.is_raw() {
        return pending().await;
    }
    if !link.has_channel() {
        sleep(INSTANCE_HANDSHAKE).await;
    }
    let begun = Instant::now();
    let mut look = interval_at(begun + SLOW_DIAL, SLOW_DIAL);
    let mut beats = Beats::begin(begun);
    let mut told = None;
    loop {
        let outcome = tokio::select! {
            received = receive(link, early) => received,
            _ = look.tick() => {
                let wait = dialling.wait();
                if told.replace(wait) != Some(wait) {
                    link.tell(ToPage::Waiting { cause: wait });
                }
                Ok(())
            }
            () = sleep_until(beats.next()) => {
                if beats.are_due(Instant::now()) {
                    link.beat();
                }
                Ok(())
            }
        };
        if let Err(end) = outcome {
            return end;
        }
    }
}

/// Reads once, and sends the bytes that wait for the viewer.
async fn receive(link: &mut Link, early: &mut Vec<u8>) -> Result<(), End> {
    poll_fn(|cx| {
        let drained = link.poll_drain(cx);
        if let Poll::Ready(Err(error)) = drained {
            return Poll::Ready(Err(link::lost(&error)));
        }
        if early.len() >= EARLY {
            return Poll::Pending;
        }
        let mut buffer = [0; READ];
        link.poll_receive(cx, &mut buffer).map(|received| match received? {
            Received::Data(range) => {
                early.extend_from_slice(&buffer[range]);
                Ok(())
            }
            Received::Eof => Err(transom_model::EndReason::ViewerLost.into()),
            Received::Goodbye(goodbye) => Err(link.ended_by(goodbye)),
        })
    })
    .await
}
