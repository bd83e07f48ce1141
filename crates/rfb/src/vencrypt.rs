//! VeNCrypt 0.2: first TLS, then one of a few ways to authenticate inside it.
//!
//! ```text
//! server → client   U8 major · U8 minor                          0.2
//! client → server   U8 major · U8 minor                          0.2
//! server → client   U8 ack (0 = go on) · U8 n · n × U32 subtype
//! client → server   U32 subtype
//! server → client   U8 accepted (1 = go on)                      TLS subtypes only
//! both              TLS handshake, then inside it: nothing, the VNC challenge, or
//! client → server   U32 user length · U32 password length · user · password
//! server → client   SecurityResult, in every protocol version
//! ```

use std::fmt;

/// An authentication method inside VeNCrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VeNCryptSubtype {
    /// User name and password in clear text, without TLS.
    Plain,
    /// Anonymous TLS, no authentication.
    TlsNone,
    /// Anonymous TLS, VNC authentication.
    TlsVnc,
    /// Anonymous TLS, user name and password.
    TlsPlain,
    /// TLS with a certificate, no authentication.
    X509None,
    /// TLS with a certificate, VNC authentication.
    X509Vnc,
    /// TLS with a certificate, user name and password.
    X509Plain,
    /// Anonymous TLS, SASL.
    TlsSasl,
    /// TLS with a certificate, SASL.
    X509Sasl,
    /// A number without an entry in this table.
    Other(u32),
}

const TABLE: &[(u32, VeNCryptSubtype, &str)] = &[
    (256, VeNCryptSubtype::Plain, "Plain"),
    (257, VeNCryptSubtype::TlsNone, "TLSNone"),
    (258, VeNCryptSubtype::TlsVnc, "TLSVnc"),
    (259, VeNCryptSubtype::TlsPlain, "TLSPlain"),
    (260, VeNCryptSubtype::X509None, "X509None"),
    (261, VeNCryptSubtype::X509Vnc, "X509Vnc"),
    (262, VeNCryptSubtype::X509Plain, "X509Plain"),
    (263, VeNCryptSubtype::TlsSasl, "TLSSASL"),
    (264, VeNCryptSubtype::X509Sasl, "X509SASL"),
];

impl VeNCryptSubtype {
    /// The subtype with this number.
    pub fn from_number(number: u32) -> Self {
        TABLE.iter().find(|row| row.0 == number).map_or(Self::Other(number), |row| row.1)
    }

    /// The number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Other(number) => number,
            known => TABLE.iter().find(|row| row.1 == known).map_or(0, |row| row.0),
        }
    }

    /// Returns whether TLS would run without a certificate, and so without protection from a man in
    /// the middle.
    pub fn is_anonymous(self) -> bool {
        matches!(self, Self::TlsNone | Self::TlsVnc | Self::TlsPlain | Self::TlsSasl)
    }
}

impl fmt::Display for VeNCryptSubtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.iter().find(|row| row.1 == *self) {
            Some((number, _, name)) => write!(f, "{name} ({number})"),
            None => write!(f, "subtype {}", self.number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subtype_reads_and_writes_the_same() {
        for number in (0..600).chain([u32::MAX]) {
            assert_eq!(VeNCryptSubtype::from_number(number).number(), number);
        }
        assert_eq!(VeNCryptSubtype::X509Vnc.number(), 261);
    }

    #[test]
    fn anonymous_subtypes_are_recognised() {
        assert!((257..=259).all(|number| VeNCryptSubtype::from_number(number).is_anonymous()));
        assert!((260..=262).all(|number| !VeNCryptSubtype::from_number(number).is_anonymous()));
        assert_eq!(VeNCryptSubtype::TlsNone.to_string(), "TLSNone (257)");
        assert_eq!(VeNCryptSubtype::from_number(9).to_string(), "subtype 9");
    }
}
