//! Encodings and pseudo-encodings: their numbers and names, and whether a viewer may ask an
//! instance for them.
//!
//! The gateway does not decode pictures, so it lets a viewer ask for any real encoding. A
//! pseudo-encoding may also invite *client messages*. RFC 6143 has no framing, so the gateway must
//! know the length of each message to find the next. It therefore lets a viewer ask only for the
//! pseudo-encodings in the table.

use std::fmt;

/// An encoding or pseudo-encoding, by its number in SetEncodings and in rectangle headers (RFC 6143
/// §7.7, §7.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encoding(pub i32);

impl Encoding {
    /// Raw pixels.
    pub const RAW: Self = Self(0);
    /// A rectangle of size zero that resizes the screen.
    pub const DESKTOP_SIZE: Self = Self(-223);
    /// QEMU's key events with scan codes.
    pub const QEMU_EXTENDED_KEY: Self = Self(-258);
    /// The General Input Interface (gii).
    pub const GII: Self = Self(-305);
    /// The desktop's name, sent when it changes.
    pub const DESKTOP_NAME: Self = Self(-307);
    /// Shutdown, reboot and reset of the machine.
    pub const XVP: Self = Self(-309);
    /// Synchronisation marks in the stream, which the other end echoes.
    pub const FENCE: Self = Self(-312);
    /// Framebuffer updates without a request for each.
    pub const CONTINUOUS_UPDATES: Self = Self(-313);
    /// Pointer events with more than eight buttons.
    pub const EXTENDED_MOUSE_BUTTONS: Self = Self(-316);
    /// Clipboards with formats, compression and Unicode.
    pub const EXTENDED_CLIPBOARD: Self = Self(i32::from_be_bytes([0xc0, 0xa1, 0xe5, 0xce]));

    /// Returns whether [`client_message`](crate::client_message) can measure every client message
    /// that this encoding invites.
    pub fn is_followable(self) -> bool {
        // All real encodings are in this range. Larger numbers spell four letters, such as "WMVd",
        // and belong to pseudo-encodings.
        (0..=0xffff).contains(&self.0) || self.name().is_some()
    }

    fn name(self) -> Option<&'static str> {
        TABLE.iter().find(|row| row.0.contains(&self.0)).map(|row| row.1)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "encoding {}", self.0),
        }
    }
}

const TABLE: &[(std::ops::RangeInclusive<i32>, &str)] = &[
    (0..=0, "Raw"),
    (1..=1, "CopyRect"),
    (2..=2, "RRE"),
    (4..=4, "CoRRE"),
    (5..=5, "Hextile"),
    (6..=6, "zlib"),
    (7..=7, "Tight"),
    (8..=8, "zlibhex"),
    (15..=15, "TRLE"),
    (16..=16, "ZRLE"),
    (21..=21, "JPEG"),
    (50..=50, "H.264"),
    (-32..=-23, "JPEG quality"),
    (-223..=-223, "DesktopSize"),
    (-224..=-224, "LastRect"),
    (-232..=-232, "PointerPos"),
    (-239..=-239, "Cursor"),
    (-240..=-240, "X Cursor"),
    (-256..=-247, "compression level"),
    (-257..=-257, "QEMU pointer motion"),
    (-258..=-258, "QEMU extended key"),
    (-259..=-259, "QEMU audio"),
    (-260..=-260, "TightPNG"),
    (-261..=-261, "QEMU LED state"),
    (-305..=-305, "gii"),
    (-307..=-307, "DesktopName"),
    (-308..=-308, "ExtendedDesktopSize"),
    (-309..=-309, "xvp"),
    (-312..=-312, "Fence"),
    (-313..=-313, "ContinuousUpdates"),
    (-314..=-314, "Cursor with alpha"),
    (-316..=-316, "ExtendedMouseButtons"),
    (-317..=-317, "Tight without zlib"),
    (-512..=-412, "fine JPEG quality"),
    (-768..=-763, "JPEG subsampling"),
    // "WMVd" to "WMVh": cursor, its state and position, key repeat, LEDs. They invite no client
    // messages.
    (0x574d_5664..=0x574d_5668, "VMware cursor and keyboard state"),
    (Encoding::EXTENDED_CLIPBOARD.0..=Encoding::EXTENDED_CLIPBOARD.0, "Extended Clipboard"),
    // These are missing on purpose, because their client messages cannot be measured: OLIVE call
    // control (-310), client redirect (-311, which would also let the viewer bypass the gateway),
    // CarConnectivity (-528 to -523), popa (-306), other VMware encodings, and UltraVNC's file
    // transfer, keep-alive, server state, session and plug-ins (-32768 and up, 0xc0a1e5cf).
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_common_viewers_ask_for_passes() {
        let novnc = [
            1, 50, 7, -260, 16, 21, 5, 2, 6, 0, -26, -254, -223, -224, -258, -261, -308, -309, -312, -313,
            -307,
        ];
        let tigervnc = [-314, -239, 0x574d_5664, -240, 0x574d_5668, -223, -308, -316, -317, 4, -412, -763];
        for number in novnc.into_iter().chain(tigervnc).chain([Encoding::EXTENDED_CLIPBOARD.0]) {
            assert!(Encoding(number).is_followable(), "{}", Encoding(number));
        }
    }

    #[test]
    fn encodings_with_unknown_client_messages_do_not_pass() {
        for number in
            [-306, -310, -311, -523, -32768, -32767, -32766, -1, 0x574d_566a, 0xc0a1_e5cf_u32.cast_signed()]
        {
            assert!(!Encoding(number).is_followable(), "{}", Encoding(number));
        }
    }

    #[test]
    fn encodings_are_named_for_people() {
        assert_eq!(Encoding::EXTENDED_CLIPBOARD.to_string(), "Extended Clipboard (-1063131698)");
        assert_eq!(Encoding(-3).to_string(), "encoding -3");
    }
}
