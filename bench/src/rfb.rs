//! The RFB of both ends of the bench (RFC 6143): version 3.8, security type None, 32-bit pixels,
//! Raw rectangles.

/// ProtocolVersion (RFC 6143 §7.1.1).
pub(crate) const VERSION: &[u8; 12] = b"RFB 003.008\n";
/// The list with None as the only security type (RFC 6143 §7.1.2).
pub(crate) const SECURITY_TYPES: [u8; 2] = [1, 1];
pub(crate) const SECURITY_NONE: u8 = 1;
pub(crate) const SECURITY_OK: [u8; 4] = [0; 4];
/// ClientInit, which allows other viewers as well.
pub(crate) const SHARED: u8 = 1;

pub(crate) const WIDTH: u16 = 1024;
pub(crate) const HEIGHT: u16 = 768;
const NAME: &[u8] = b"bench guest";
/// ServerInit's length.
pub(crate) const INIT_LEN: usize = 24 + NAME.len();

/// 32 bits, depth 24, little endian, true colour, 8 bits each at 16, 8 and 0 (RFC 6143 §7.4).
const PIXEL_FORMAT: [u8; 16] = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
/// The length of the bytes before an update's pixels: the heads of the message and of one
/// rectangle.
const UPDATE_HEAD: usize = 16;

/// An update of the screen by one Raw rectangle.
#[derive(Clone, Copy)]
pub(crate) struct Update {
    width: u16,
    height: u16,
}

impl Update {
    /// 64 KiB of pixels: a window that scrolls, or a picture that changes.
    pub(crate) const BULK: Self = Self { width: WIDTH, height: 16 };
    /// 800 bytes of pixels: the change after a moved pointer or a typed letter.
    pub(crate) const ECHO: Self = Self { width: 20, height: 10 };
    /// The smallest update.
    pub(crate) const PIXEL: Self = Self { width: 1, height: 1 };

    /// The message's length.
    pub(crate) const fn len(self) -> usize {
        UPDATE_HEAD + 4 * self.width as usize * self.height as usize
    }

    /// The message, with pixels that do not compress.
    pub(crate) fn message(self) -> Vec<u8> {
        let mut message = vec![0, 0, 0, 1, 0, 0, 0, 0];
        message.extend(self.width.to_be_bytes());
        message.extend(self.height.to_be_bytes());
        message.extend([0; 4]);
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        message.resize_with(self.len(), || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        });
        message
    }
}

/// ServerInit (RFC 6143 §7.3.2).
pub(crate) fn server_init() -> Vec<u8> {
    let name_len = (NAME.len() as u32).to_be_bytes();
    [&WIDTH.to_be_bytes()[..], &HEIGHT.to_be_bytes(), &PIXEL_FORMAT, &name_len, NAME].concat()
}

/// Returns a viewer's first messages: SetPixelFormat, SetEncodings (Raw, CopyRect), and a request
/// for the screen.
pub(crate) fn viewer_setup() -> Vec<u8> {
    let encodings = [2, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1];
    [&[0; 4], &PIXEL_FORMAT[..], &encodings, &update_request()].concat()
}

/// Returns a FramebufferUpdateRequest for the whole screen (RFC 6143 §7.5.3).
pub(crate) fn update_request() -> [u8; 10] {
    let ([w, v], [h, i]) = (WIDTH.to_be_bytes(), HEIGHT.to_be_bytes());
    [3, 0, 0, 0, 0, 0, w, v, h, i]
}

/// Returns a PointerEvent (RFC 6143 §7.5.5).
pub(crate) fn pointer(x: u16, y: u16) -> [u8; 6] {
    let ([a, b], [c, d]) = (x.to_be_bytes(), y.to_be_bytes());
    [5, 0, a, b, c, d]
}

/// Returns a ClientCutText (RFC 6143 §7.5.6).
pub(crate) fn cut_text(text: &[u8]) -> Vec<u8> {
    [&[6, 0, 0, 0][..], &(text.len() as u32).to_be_bytes(), text].concat()
}

/// The part of a viewer's message that the guest acts on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ViewerMessage {
    UpdateRequest,
    Pointer,
    /// The length of the text that follows.
    CutText(usize),
    Other,
}

impl ViewerMessage {
    /// Parses the message at the beginning of `bytes`. It returns the message with its length,
    /// which excludes the text of a cut text. It returns `None` while the message is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> anyhow::Result<Option<(Self, usize)>> {
        let (message, len) = match bytes {
            [] => return Ok(None),
            [0, ..] => (Self::Other, 20),
            [2, _, high, low, ..] => (Self::Other, 4 + 4 * usize::from(u16::from_be_bytes([*high, *low]))),
            [3, ..] => (Self::UpdateRequest, 10),
            [4, ..] => (Self::Other, 8),
            [5, ..] => (Self::Pointer, 6),
            [6, _, _, _, a, b, c, d, ..] => (Self::CutText(u32::from_be_bytes([*a, *b, *c, *d]) as usize), 8),
            [2 | 6, ..] => return Ok(None),
            [other, ..] => anyhow::bail!("a viewer's message has the unknown type {other}"),
        };
        Ok((bytes.len() >= len).then_some((message, len)))
    }
}
