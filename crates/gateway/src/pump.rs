//! The pump: moves bytes between viewer and instance until the session ends.
//!
//! It is one future, polled when a socket is ready. It borrows the thread's scratch buffer for the
//! duration of a poll. It owns memory only while a peer does not take the bytes read for it, and
//! then stops reading from the other side.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite as _;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, Sleep, sleep_until};
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_net::mover::{Lost, Mover, Portion};
use transom_net::{Outbox, Stream, scratch};
use transom_rfb::{Announcements, ClientFilter, ClientMessageError, ClipboardFate};

use super::channel::{Notice, ToPage};
use super::limits::{ENDING_NOTICE, INSTANCE_STALL, LINGER, VIEWER_LOST, VIEWER_SILENCE};
use super::link::{self, Link, Received, SHORT};
use super::viewer_beats::Beats;
use transom_app::consoles::live::Traffic;
use transom_app::metrics::Metrics;

/// The number of reads in one direction after which the thread's other sessions get their turn.
const TURN: usize = 8;

/// The limits on the duration of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The time at which the session ends at the latest, and the reason for that end.
    pub(super) until: Option<(Instant, EndReason)>,
    /// The longest time without input from the viewer and bytes from the instance.
    pub(super) idle: Option<Duration>,
}

/// The meters that the pump counts into.
pub(super) struct Meters<'a> {
    pub(super) session: &'a Traffic,
    pub(super) node: &'a Metrics,
}

/// A session that the gateway carries.
pub(super) struct Pump<'a> {
    viewer: &'a mut Link,
    instance: Stream,
    to_viewer: Mover,
    to_instance: Outbox,
    filter: ClientFilter,
    /// The announcements that the instance makes before its first picture. `None` if they do not
    /// matter to the viewer's rights.
    announcements: Option<Box<Announcements>>,
    meters: Meters<'a>,
    cut: oneshot::Receiver<End>,
    bounds: Bounds,
    timer: Pin<Box<Sleep>>,
    beats: Beats,
    last_activity: Instant,
    viewer_alive: Instant,
    /// The time to tell the page that its session will end. `None` once it has been told.
    notice_at: Option<Instant>,
    /// The fate of the page's clipboard text, until the page has been told.
    clipboard: Option<ClipboardFate>,
    /// The last time the viewer took some bytes, while it has not taken all of them.
    viewer_behind: Option<Instant>,
    /// The last time the instance took some bytes, while it has not taken all of them. The gateway
    /// does not read from the viewer meanwhile.
    instance_behind: Option<Instant>,
    /// True once the viewer has closed its half.
    viewer_done: bool,
    /// True once the instance has been told that the viewer closed its half.
    instance_informed: bool,
    /// True once the instance has closed.
    instance_done: bool,
}

/// The reason why one direction pauses: no progress is possible now, or its turn is over.
enum Turn {
    Waiting,
    Over,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        viewer: &'a mut Link,
        instance: Stream,
        filter: ClientFilter,
        meters: Meters<'a>,
        cut: oneshot::Receiver<End>,
        bounds: Bounds,
    ) -> Self {
        let now = Instant::now();
        Self {
            viewer,
            instance,
            to_viewer: Mover::default(),
            to_instance: Outbox::default(),
            announcements: filter.listens().then(Box::default),
            filter,
            meters,
            cut,
            bounds,
            timer: Box::pin(sleep_until(now)),
            beats: Beats::begin(now),
            last_activity: now,
            viewer_alive: now,
            notice_at: bounds.until.map(|(until, _)| until.checked_sub(ENDING_NOTICE).unwrap_or(now)),
            clipboard: None,
            viewer_behind: None,
            instance_behind: None,
            viewer_done: false,
            instance_informed: false,
            instance_done: false,
        }
    }

    /// Passes on the bytes that the viewer sent before the pump began.
    pub(super) fn begin_with(&mut self, mut early: Vec<u8>) -> Result<(), End> {
        self.last_sign(early.len());
        let filtered = self.filter.filter(&mut early).map_err(refused)?;
        self.clipboard = filtered.clipboard;
        let waiting = self.to_instance.tail();
        waiting.extend_from_slice(&filtered.head);
        waiting.extend_from_slice(filtered.body);
        Ok(())
    }

    /// Moves the bytes that can move now. Ready once the session is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(end) = Pin::new(&mut self.cut).poll(cx) {
            return Poll::Ready(end.unwrap_or_else(|_| EndReason::InternalError.into()));
        }
        match self.poll_both(cx) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    fn poll_both(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let to_viewer = self.poll_to_viewer(cx)?;
        let to_instance = self.poll_to_instance(cx)?;
        self.tell_of_clipboard(cx)?;
        // A due pong goes out here if no other bytes move.
        if self.viewer.owes_pong() {
            let _ = self.viewer.poll_drain(cx).map_err(|error| link::lost(&error))?;
        }
        if matches!(to_viewer, Turn::Over) || matches!(to_instance, Turn::Over) {
            cx.waker().wake_by_ref();
        }
        self.poll_clock(cx)
    }

    fn poll_to_viewer(&mut self, cx: &mut Context<'_>) -> Result<Turn, End> {
        for _ in 0..TURN {
            let waiting = self.viewer.waiting();
            let drained = self.viewer.poll_drain(cx).map_err(|error| link::lost(&error))?;
            let taken = self.viewer.waiting() < waiting;
            if taken {
                self.viewer_alive = Instant::now();
            }
            if drained.is_pending() {
                fall_behind(&mut self.viewer_behind, taken);
                return Ok(Turn::Waiting);
            }
            self.viewer_behind = None;
            if self.instance_done {
                // The instance closed because it had been told that the viewer was done.
                let reason = if self.viewer_done { EndReason::ViewerClosed } else { EndReason::InstanceGone };
                return Err(reason.into());
            }
            match self.poll_move(cx)? {
                Poll::Pending => return Ok(Turn::Waiting),
                Poll::Ready(0) => self.instance_done = true,
                Poll::Ready(count) => {
                    self.last_activity = Instant::now();
                    self.meters.session.to_viewer.fetch_add(count as u64, Ordering::Relaxed);
                    self.meters.node.bytes_to_viewer.inc_by(count as u64);
                }
            }
        }
        Ok(Turn::Over)
    }

    /// Tells the page the fate of its text once the instance's socket has taken all of it.
    fn tell_of_clipboard(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        if self.clipboard.is_some()
            && self.to_instance.is_empty()
            && self.viewer.waiting() == 0
            && let Some(fate) = self.clipboard.take()
        {
            self.viewer.tell(ToPage::Clipboard { state: fate.into() });
            let _ = self.viewer.poll_drain(cx).map_err(|error| link::lost(&error))?;
        }
        Ok(())
    }

    /// Moves some bytes to the viewer, whose outbox is empty. Returns their number: 0 if the
    /// instance has closed.
    fn poll_move(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, End>> {
        let most = self.viewer.takes();
        // The kernel may move the bytes only once the filter needs to see no more announcements.
        let in_kernel = self.viewer.takes_bulk() && self.announcements.is_none();
        let portion = Portion { most, bulk: most, in_kernel };
        let see = |bytes: &[u8]| listen(&mut self.announcements, &mut self.filter, bytes);
        let moved = self.to_viewer.poll_move(cx, &mut self.instance, self.viewer, portion, see);
        moved.map_err(|lost| match lost {
            Lost::Source(error) => instance_lost(&error),
            Lost::Sink(error) => link::lost(&error),
        })
    }

    fn poll_to_instance(&mut self, cx: &mut Context<'_>) -> Result<Turn, End> {
        for _ in 0..TURN {
            let waiting = self.to_instance.waiting();
            let drained = self.to_instance.poll_drain(&mut self.instance, cx);
            if drained.map_err(|error| instance_lost(&error)).is_pending() {
                fall_behind(&mut self.instance_behind, self.to_instance.waiting() < waiting);
                return Ok(Turn::Waiting);
            }
            self.instance_behind = None;
            if self.viewer_done {
                // The viewer sends no more, but may still be watching.
                if !self.instance_informed && Pin::new(&mut self.instance).poll_shutdown(cx).is_ready() {
                    self.instance_informed = true;
                }
                return Ok(Turn::Waiting);
            }
            let received = scratch::with(|scratch| {
                let body = &mut scratch[..SHORT];
                let received = match self.viewer.poll_receive(cx, body) {
                    Poll::Pending => return Ok(None),
                    Poll::Ready(received) => received?,
                };
                if let Received::Data(range) = &received {
                    self.last_sign(range.len());
                    self.pass_on(cx, &mut body[range.clone()])?;
                }
                Ok::<_, End>(Some(received))
            })?;
            match received {
                None => return Ok(Turn::Waiting),
                Some(Received::Data(_)) => {}
                Some(Received::Goodbye(goodbye)) => return Err(self.viewer.ended_by(goodbye)),
                Some(Received::Eof) if self.viewer.is_raw() => {
                    self.viewer_done = true;
                    self.timer.as_mut().reset(Instant::now() + LINGER);
                }
                Some(Received::Eof) => return Err(EndReason::ViewerLost.into()),
            }
        }
        Ok(Turn::Over)
    }

    fn last_sign(&mut self, count: usize) {
        self.viewer_alive = Instant::now();
        self.meters.session.to_instance.fetch_add(count as u64, Ordering::Relaxed);
        self.meters.node.bytes_to_instance.inc_by(count as u64);
    }

    fn pass_on(&mut self, cx: &mut Context<'_>, data: &mut [u8]) -> Result<(), End> {
        let filtered = self.filter.filter(data).map_err(refused)?;
        if filtered.input {
            self.last_activity = self.viewer_alive;
        }
        self.clipboard = filtered.clipboard.or(self.clipboard);
        let sent = self.to_instance.send(&mut self.instance, cx, &filtered.head);
        let sent = sent.and_then(|()| self.to_instance.send(&mut self.instance, cx, filtered.body));
        sent.map_err(|error| instance_lost(&error))
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            self.judge(now)?;
            if self.beats.are_due(now) {
                self.viewer.beat();
            }
            if let Some((until, _)) = self.bounds.until
                && self.notice_at.take_if(|at| now >= *at).is_some()
            {
                let left = until.saturating_duration_since(now);
                self.viewer
                    .tell(ToPage::Notice(Notice::Ending { seconds: left.as_secs_f64().ceil() as u64 }));
            }
            let _ = self.viewer.poll_drain(cx).map_err(|error| link::lost(&error))?;
            let idle_out = self.bounds.idle.map(|idle| self.last_activity + idle);
            let linger_out = self.viewer_done.then(|| now + LINGER);
            let over = self.bounds.until.map(|(until, _)| until);
            let stall_out = self.viewer_behind.map(|since| since + VIEWER_LOST);
            let next = [over, self.notice_at, idle_out, linger_out, self.silence_out(), stall_out]
                .into_iter()
                .flatten()
                .fold(self.beats.next(), Instant::min);
            self.timer.as_mut().reset(next);
        }
        Ok(())
    }

    /// The time at which the viewer counts as lost unless it gives a sign of life. `None` while the
    /// instance takes no bytes, because the viewer is not read then, and while the viewer has bytes
    /// to take, because it gets no beats then and is judged by taking those bytes. `None` for raw
    /// viewers, which get no beats.
    fn silence_out(&self) -> Option<Instant> {
        let heard = self.instance_behind.is_none() && self.viewer_behind.is_none() && !self.viewer.is_raw();
        let patience = if self.viewer.returns() { VIEWER_SILENCE } else { VIEWER_LOST };
        heard.then(|| self.viewer_alive + patience)
    }

    fn judge(&self, now: Instant) -> Result<(), End> {
        if let Some((until, reason)) = self.bounds.until
            && now >= until
        {
            return Err(reason.into());
        }
        if self.bounds.idle.is_some_and(|idle| now >= self.last_activity + idle) {
            return Err(EndReason::SessionIdle.into());
        }
        if self.viewer_behind.is_some_and(|since| now >= since + VIEWER_LOST) {
            return Err(EndReason::ViewerTooSlow.into());
        }
        if self.instance_behind.is_some_and(|since| now >= since + INSTANCE_STALL) {
            return Err(End::new(EndReason::InstanceSilent, "it reads no input"));
        }
        if self.silence_out().is_some_and(|out| now >= out) {
            return Err(End::for_viewers(EndReason::ViewerLost, "no answer to pings"));
        }
        if self.viewer_done && now >= self.last_activity.max(self.viewer_alive) + LINGER {
            return Err(EndReason::ViewerClosed.into());
        }
        Ok(())
    }
}

/// Shows the filter the instance's announcements, up to the first picture.
fn listen(announcements: &mut Option<Box<Announcements>>, filter: &mut ClientFilter, bytes: &[u8]) {
    if let Some(open) = announcements {
        open.see(bytes);
        filter.hear(open);
        if open.is_over() {
            *announcements = None;
        }
    }
}

/// Starts the clock of a peer that has not taken all bytes, or restarts it if the peer `took` some.
fn fall_behind(since: &mut Option<Instant>, took: bool) {
    if took || since.is_none() {
        *since = Some(Instant::now());
    }
}

/// The end of an instance whose connection failed.
fn instance_lost(error: &io::Error) -> End {
    End::new(EndReason::InstanceGone, error.kind().to_string())
}

/// The end of a viewer whose messages the filter can no longer follow.
fn refused(error: ClientMessageError) -> End {
    let reason = match error {
        ClientMessageError::UnknownType(_)
        | ClientMessageError::UnknownQemuType(_)
        | ClientMessageError::UnknownAudioOperation(_) => EndReason::ViewerUnknownMessage,
        _ => EndReason::ViewerProtocolError,
    };
    End::for_viewers(reason, error.to_string())
}
