//! The large buffer of each thread, lent for the duration of one poll, so that an idle session
//! holds none.

use std::cell::RefCell;

/// The most bytes of a read. The kernel's copies limit bulk transfers: reads of 256 KiB cost a
/// quarter less CPU than reads of 64 KiB.
pub const MOST: usize = 256 * 1024;
/// The most bytes in front of a read, for the header of a frame.
pub const HEAD_ROOM: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; HEAD_ROOM + MOST]);
}

/// Lends this thread's buffer of [`HEAD_ROOM`] and [`MOST`] bytes to `work`, which must not borrow
/// it a second time.
pub fn with<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| work(scratch))
}
