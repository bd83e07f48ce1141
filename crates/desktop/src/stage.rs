//! What all viewers share, and the task that paints it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::board::Board;
use crate::canvas::Canvas;
use crate::picture::{self, Moment};
use crate::screen::Screen;

/// Steps of the animation: four a second are lively enough, and cost a viewer some 150 KB/s without compression.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// Shortest time between two pictures: a pointer sends hundreds of events a second, a screen shows sixty.
const MIN_FRAME: Duration = Duration::from_millis(16);

/// The desktop's state.
#[derive(Debug)]
pub(crate) struct Stage {
    board: Mutex<Board>,
    screen: Mutex<Screen>,
    /// Somebody did something.
    touched: Notify,
    /// Counts pictures.
    pictures: watch::Sender<u64>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            board: Mutex::default(),
            screen: Mutex::new(Screen::new()),
            touched: Notify::new(),
            pictures: watch::Sender::new(0),
        }
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock()
    }

    pub(crate) fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock()
    }

    /// Asks for a new picture.
    pub(crate) fn touch(&self) {
        self.touched.notify_one();
    }

    /// Tells of new pictures; whoever holds one counts as a viewer.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.pictures.subscribe()
    }
}

/// Paints while anybody watches.
pub(crate) async fn paint(stage: Arc<Stage>) {
    let start = Instant::now();
    let mut next = Canvas::new();
    loop {
        let step = start.elapsed().as_millis() / TICK.as_millis();
        let viewers = stage.pictures.receiver_count();
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let moment =
            Moment { unix_seconds: since_epoch.as_secs(), step: u64::try_from(step).unwrap_or(0), viewers };
        picture::draw(&mut next, &stage.board(), moment);
        if stage.screen().show(&mut next) {
            stage.pictures.send_modify(|count| *count += 1);
        }
        tokio::time::sleep(MIN_FRAME).await;
        if viewers == 0 {
            stage.touched.notified().await;
        } else {
            // Either way there is something to paint; the deadline is the next step.
            let _ = tokio::time::timeout(TICK.saturating_sub(MIN_FRAME), stage.touched.notified()).await;
        }
    }
}
