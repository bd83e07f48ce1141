//! A growing text that tests can wait on: a log, a serial line, typed text.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The size of one read.
const PIECE: usize = 16 * 1024;

/// A text that grows until its source ends.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    content: Mutex<Content>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    over: bool,
}

impl Transcript {
    /// Reads a source to its end on a separate thread.
    #[must_use]
    pub fn of(mut source: impl Read + Send + 'static) -> Self {
        let transcript = Self::default();
        let writer = transcript.clone();
        std::thread::spawn(move || {
            let mut piece = [0; PIECE];
            while let Ok(count @ 1..) = source.read(&mut piece) {
                writer.content().bytes.extend_from_slice(&piece[..count]);
                writer.0.grown.notify_all();
            }
            writer.content().over = true;
            writer.0.grown.notify_all();
        });
        transcript
    }

    /// The text so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content().bytes).into_owned()
    }

    /// Waits until `find` returns a value. Returns `None` after the limit, or if the source ends
    /// first.
    pub fn find<T>(&self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut content = self.content();
        loop {
            if let Some(found) = find(&String::from_utf8_lossy(&content.bytes)) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if content.over || left.is_zero() {
                return None;
            }
            content = self.0.grown.wait_timeout(content, left).expect("no reader panics").0;
        }
    }

    /// Waits for the end of the source. Returns whether it ended within the limit.
    #[must_use]
    pub fn ends(&self, limit: Duration) -> bool {
        let waited = self.0.grown.wait_timeout_while(self.content(), limit, |content| !content.over);
        waited.expect("no reader panics").0.over
    }

    /// Waits for these words.
    ///
    /// # Panics
    /// Panics with the whole text if they do not appear.
    pub fn expect(&self, words: &str, limit: Duration) {
        let found = self.find(limit, |text| text.contains(words).then_some(()));
        assert!(found.is_some(), "{words:?} did not come within {limit:?}; there is:\n{}", self.text());
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.content.lock().expect("no reader panics")
    }
}
