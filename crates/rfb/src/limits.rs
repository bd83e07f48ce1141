//! Every bound on what a peer may announce, each with the reason for its number.

/// Longest desktop name accepted in ServerInit; real names are a dozen bytes, and a length is 32 bits on the wire.
pub const MAX_NAME: u32 = 4096;

/// Longest failure reason kept from a peer; the rest would only be shown to a person and is cut off.
pub const MAX_REASON: u32 = 4096;

/// Widest and tallest screen accepted: twice 8K, the largest any viewer can allocate a canvas for.
pub const MAX_SIDE: u16 = 16_384;

/// Most pixels accepted on one screen (2²⁷, i.e. 512 MiB at 32 bits): a viewer allocates them all at once.
pub const MAX_PIXELS: u32 = 1 << 27;

/// Most entries in one SetEncodings; noVNC sends 27, TigerVNC 40, and the registry holds fewer than this.
pub const MAX_ENCODINGS: u16 = 1024;

/// Longest plain (Latin-1) ClientCutText: what a person could mean to paste, with a wide margin.
pub const MAX_CUT_TEXT: u32 = 16 * 1024 * 1024;

/// Longest Extended Clipboard message, which is compressed; servers themselves stop near 10 MiB of content.
pub const MAX_EXTENDED_CUT_TEXT: u32 = 10 * 1024 * 1024;

/// Longest fence payload: the extension's own limit.
pub const MAX_FENCE: u8 = 64;

/// Bytes of unexpected greeting quoted back when a peer does not speak RFB.
pub const MAX_EXCERPT: usize = 40;
