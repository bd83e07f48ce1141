//! All bounds on a peer's announcements, each with the reason for its number.

/// The longest desktop name in ServerInit. Real names have a dozen bytes, but a length has 32 bits
/// on the wire.
pub const MAX_NAME: u32 = 4096;

/// The longest failure reason that is stored. Only people read it, and the rest is cut off.
pub const MAX_REASON: u32 = 4096;

/// The widest and tallest screen: twice 8K, the largest canvas that any viewer can allocate.
pub const MAX_SIDE: u16 = 16_384;

/// The most pixels on one screen (2²⁷, i.e. 512 MiB at 32 bits). A viewer allocates them all at
/// once.
pub const MAX_PIXELS: u32 = 1 << 27;

/// The most entries in one SetEncodings. noVNC sends 27, TigerVNC 40, and the registry has fewer
/// than this.
pub const MAX_ENCODINGS: u16 = 1024;

/// The longest plain (Latin-1) ClientCutText: far more than a person could mean to paste.
pub const MAX_CUT_TEXT: u32 = 16 * 1024 * 1024;

/// The longest Extended Clipboard message, which is compressed. Servers stop near 10 MiB of
/// content.
pub const MAX_EXTENDED_CUT_TEXT: u32 = 10 * 1024 * 1024;

/// The longest fence payload: the extension's own limit.
pub const MAX_FENCE: u8 = 64;

/// The bytes of a foreign greeting that are quoted if a peer does not speak RFB.
pub const MAX_EXCERPT: usize = 40;
