//! Security types: the number on the wire and the display name (RFC 6143 §7.1.2 and the IANA
//! registry).

use std::fmt;

macro_rules! security_types {
    ($($(#[doc = $doc:literal])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// A security type that a peer offers or chooses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SecurityType {
            $($(#[doc = $doc])* $variant,)*
            /// A number without an entry in this table.
            Other(u8),
        }

        impl SecurityType {
            /// The type with this number.
            pub fn from_number(number: u8) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The number on the wire.
            pub fn number(self) -> u8 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(other) => other,
                }
            }

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($name),)*
                    Self::Other(_) => None,
                }
            }
        }

        #[cfg(test)]
        const TABLE: &[(u8, SecurityType)] = &[$(($number, SecurityType::$variant)),*];
    };
}

security_types! {
    /// No authentication.
    None = 1, "None";
    /// The DES challenge with a password of at most eight characters.
    VncAuth = 2, "VNC authentication";
    /// RealVNC's RSA and AES, 128 bits.
    Ra2 = 5, "RA2";
    /// RA2 without encryption after authentication.
    Ra2ne = 6, "RA2ne";
    /// TightVNC's own negotiation.
    Tight = 16, "Tight";
    /// UltraVNC.
    Ultra = 17, "Ultra";
    /// Anonymous TLS in Vino's form.
    Tls = 18, "TLS";
    /// TLS with a choice of authentication inside.
    VeNCrypt = 19, "VeNCrypt";
    /// SASL in the form of GTK-VNC and QEMU.
    Sasl = 20, "SASL";
    /// MD5 hash authentication.
    Md5 = 21, "MD5";
    /// Citrix xvp.
    Xvp = 22, "xvp";
    /// UltraVNC's secure tunnel.
    SecureTunnel = 23, "secure tunnel";
    /// UltraVNC's integrated SSH.
    IntegratedSsh = 24, "integrated SSH";
    /// Apple Remote Desktop: Diffie-Hellman with a user name.
    AppleRemoteDesktop = 30, "Apple Remote Desktop";
    /// Apple's RSA-based type.
    AppleRsa = 33, "Apple RSA";
    /// Apple's Kerberos.
    AppleKerberos = 35, "Apple Kerberos";
    /// Apple's secure remote password.
    AppleSrp = 36, "Apple SRP";
    /// UltraVNC's MS-Logon II.
    MsLogon2 = 113, "MS-Logon II";
    /// RealVNC's RSA and AES, 256 bits.
    Ra256 = 129, "RA2 256";
    /// 256-bit RA2 without encryption after authentication.
    Ra256ne = 130, "RA2ne 256";
}

impl fmt::Display for SecurityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.number()),
            None => write!(f, "type {}", self.number()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_reads_and_writes_the_same() {
        for number in 0..=u8::MAX {
            assert_eq!(SecurityType::from_number(number).number(), number);
        }
        for (number, kind) in TABLE {
            assert_eq!(SecurityType::from_number(*number), *kind);
        }
    }

    #[test]
    fn the_numbers_are_those_of_the_registry() {
        assert_eq!(SecurityType::None.number(), 1);
        assert_eq!(SecurityType::VncAuth.number(), 2);
        assert_eq!(SecurityType::VeNCrypt.number(), 19);
        assert_eq!(SecurityType::AppleRemoteDesktop.number(), 30);
    }

    #[test]
    fn a_type_is_named_for_people() {
        assert_eq!(SecurityType::AppleRemoteDesktop.to_string(), "Apple Remote Desktop (30)");
        assert_eq!(SecurityType::from_number(99).to_string(), "type 99");
    }
}
