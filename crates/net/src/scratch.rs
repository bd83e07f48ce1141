//! A large buffer for each thread, borrowed for the duration of one poll, so that an idle session
//! holds no buffer.

use std::cell::RefCell;

/// The most bytes of a read. Copies by the kernel limit bulk transfers, and reads of 256 KiB cost a
/// quarter less CPU than reads of 64 KiB.
pub const MOST: usize = 256 * 1024;
/// The most bytes reserved before a read, for the header of a frame.
pub const HEAD_ROOM: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; HEAD_ROOM + MOST]);
}

/// Lends this thread's buffer of [`HEAD_ROOM`] and [`MOST`] bytes to `work`, which must not borrow
/// it a second time.
pub fn with<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| work(scratch))
}
