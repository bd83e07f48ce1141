//! Limits on what a peer may send, each with the reason for its value.

/// The longest desktop name in ServerInit, in bytes. Real names take about a dozen bytes, but the
/// length field on the wire has 32 bits.
pub const MAX_NAME: u32 = 4096;

/// The longest failure reason that is stored, in bytes. The rest is cut off: a reason is only shown
/// to people.
pub const MAX_REASON: u32 = 4096;

/// The widest and tallest screen: twice 8K, the largest canvas that any viewer can allocate.
pub const MAX_SIDE: u16 = 16_384;

/// The most pixels on one screen (2²⁷, i.e. 512 MiB at 32 bits). A viewer allocates them all at
/// once.
pub const MAX_PIXELS: u32 = 1 << 27;

/// The most entries in one SetEncodings. noVNC sends 27 and TigerVNC sends 40; the whole registry
/// has fewer than this.
pub const MAX_ENCODINGS: u16 = 1024;

/// The longest plain (Latin-1) ClientCutText: far more than anyone pastes on purpose.
pub const MAX_CUT_TEXT: u32 = 16 * 1024 * 1024;

/// The longest Extended Clipboard message, which is compressed. Servers accept about 10 MiB of
/// content.
pub const MAX_EXTENDED_CUT_TEXT: u32 = 10 * 1024 * 1024;

/// The longest fence payload: the extension's own limit.
pub const MAX_FENCE: u8 = 64;

/// The most characters quoted from the greeting of a peer that does not speak RFB.
pub const MAX_EXCERPT: usize = 40;
