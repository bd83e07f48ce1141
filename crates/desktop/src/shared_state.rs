//! The state that all viewers share, and the task that paints it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::canvas::Canvas;
use crate::picture::{self, Moment};
use crate::screen::Screen;
use crate::viewer_input::ViewerInput;

/// The time of one step of the animation. Four steps a second look lively, and cost a viewer about
/// 150 KB/s without compression.
pub(crate) const TICK: Duration = Duration::from_millis(250);

/// The shortest time between two pictures. A pointer may send hundreds of events a second, but a
/// monitor shows only sixty pictures.
const MIN_FRAME: Duration = Duration::from_millis(16);

/// The desktop's state.
#[derive(Debug)]
pub(crate) struct SharedState {
    input: Mutex<ViewerInput>,
    screen: Mutex<Screen>,
    /// Notified at every input.
    touched: Notify,
    /// The number of pictures so far.
    pictures: watch::Sender<u64>,
}

impl SharedState {
    pub(crate) fn new() -> Self {
        Self {
            input: Mutex::default(),
            screen: Mutex::new(Screen::new()),
            touched: Notify::new(),
            pictures: watch::Sender::new(0),
        }
    }

    pub(crate) fn input(&self) -> MutexGuard<'_, ViewerInput> {
        self.input.lock()
    }

    pub(crate) fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock()
    }

    /// Requests a new picture.
    pub(crate) fn touch(&self) {
        self.touched.notify_one();
    }

    /// Subscribes to new pictures. Each receiver counts as a viewer.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.pictures.subscribe()
    }
}

/// Paints the pictures while there are viewers.
pub(crate) async fn paint(state: Arc<SharedState>) {
    let start = Instant::now();
    let mut next = Canvas::new();
    loop {
        let step = start.elapsed().as_millis() / TICK.as_millis();
        let viewers = state.pictures.receiver_count();
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let moment =
            Moment { unix_seconds: since_epoch.as_secs(), step: u64::try_from(step).unwrap_or(0), viewers };
        picture::draw(&mut next, &state.input(), moment);
        if state.screen().show(&mut next) {
            state.pictures.send_modify(|count| *count += 1);
        }
        tokio::time::sleep(MIN_FRAME).await;
        if viewers == 0 {
            state.touched.notified().await;
        } else {
            // The result does not matter: there is a picture to paint after input and for the next
            // step.
            let _ = tokio::time::timeout(TICK.saturating_sub(MIN_FRAME), state.touched.notified()).await;
        }
    }
}
