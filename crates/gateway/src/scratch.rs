//! One big buffer per thread, lent for the time of one poll: an idle session holds none.

use std::cell::RefCell;

use transom_websocket::frame::HEAD_ROOM;

/// Bulk is bound by the kernel's copies: reads of 256 KiB cost a quarter less CPU than reads of 64 KiB.
pub(super) const TO_VIEWER: usize = 256 * 1024;
/// Viewers send little; a pasted text should still go in few pieces.
pub(super) const TO_INSTANCE: usize = 64 * 1024;

/// Room for a frame header, and then for what is read.
pub(super) struct Scratch(Vec<u8>);

impl Scratch {
    /// Everything behind the head-room.
    pub(super) fn body(&mut self, len: usize) -> &mut [u8] {
        &mut self.0[HEAD_ROOM..HEAD_ROOM + len]
    }

    /// Head-room and the first `len` bytes behind it.
    pub(super) fn framed(&mut self, len: usize) -> &mut [u8] {
        &mut self.0[..HEAD_ROOM + len]
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch(vec![0; HEAD_ROOM + TO_VIEWER]));
}

/// Lends this thread's buffer. It must not be borrowed twice: pumps do not nest.
pub(super) fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with_borrow_mut(work)
}
