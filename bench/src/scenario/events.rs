//! Input events: a hundred viewers move their pointers, and each movement is answered by a small
//! update.
//!
//! Events are sent on a schedule and timed from the schedule, so a stall counts for every event
//! that it delays.

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::event::{Timespec, epoll};

use super::{Measured, open};
use crate::peer::Peer;
use crate::rfb::{self, Update};
use crate::viewer::Viewer;

const VIEWERS: usize = 100;
/// The pause between events: 1,000 per second in all.
const STEP: Duration = Duration::from_millis(1);
const EVENTS: usize = 3000;
/// The number of first events, which are sent and answered but not timed.
const WARM_UP: usize = 300;

struct Hand {
    viewer: Viewer,
    /// The received bytes of an incomplete answer.
    received: usize,
    /// The due times of the events that wait for their answers.
    due: VecDeque<Instant>,
}

/// Measures the CPU of each event, and the latency of half and of nearly all of them.
pub(super) fn run(peer: &Peer) -> Result<Measured> {
    let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut hands = Vec::with_capacity(VIEWERS);
    for (number, viewer) in open(peer, VIEWERS)?.into_iter().enumerate() {
        let data = epoll::EventData::new_u64(number as u64);
        epoll::add(&ready, &viewer.socket, data, epoll::EventFlags::IN)?;
        hands.push(Hand { viewer, received: 0, due: VecDeque::new() });
    }
    let before = peer.tree.cpu()?;
    let mut latencies = Vec::with_capacity(EVENTS);
    let (start, mut sent) = (Instant::now(), 0);
    let mut events = Vec::with_capacity(VIEWERS);
    while latencies.len() < EVENTS {
        let due = start + STEP * u32::try_from(sent)?;
        if sent < EVENTS && due <= Instant::now() {
            let hand = &mut hands[sent % VIEWERS];
            let wire = hand.viewer.wire(&rfb::pointer((sent % 1000) as u16, 300));
            hand.viewer.socket.write_all(&wire)?;
            hand.due.push_back(due);
            sent += 1;
            continue;
        }
        let limit = if sent < EVENTS { due.duration_since(Instant::now()) } else { Duration::from_secs(5) };
        let limit = Timespec { tv_sec: limit.as_secs().cast_signed(), tv_nsec: limit.subsec_nanos().into() };
        epoll::wait(&ready, rustix::buffer::spare_capacity(&mut events), Some(&limit))?;
        anyhow::ensure!(
            sent < EVENTS || !events.is_empty(),
            "{} events were not answered",
            sent - latencies.len()
        );
        for event in events.drain(..) {
            let hand = &mut hands[usize::try_from(event.data.u64())?];
            hand.take_answers(&mut latencies)?;
        }
    }
    let spent = peer.tree.cpu()? - before;
    let mut timed = latencies.split_off(WARM_UP);
    timed.sort_unstable();
    let at = |share: usize| timed[timed.len() * share / 100].as_secs_f64() * 1e6;
    Ok(vec![("event-cpu", spent * 1e6 / EVENTS as f64), ("event-p50", at(50)), ("event-p99", at(99))])
}

impl Hand {
    fn take_answers(&mut self, latencies: &mut Vec<Duration>) -> Result<()> {
        self.received += self.viewer.read(&mut [0; 4096])?;
        while self.received >= Update::ECHO.len() {
            self.received -= Update::ECHO.len();
            let due = self.due.pop_front().context("an answer came without an event")?;
            latencies.push(due.elapsed());
        }
        Ok(())
    }
}
