//! The names that the self-signed authority may certify (RFC 5280 §4.2.1.10), encoded in DER here
//! because `rcgen` supports no constraints on URIs.
//!
//! Directory names stay unconstrained: the subject of every certificate is one, and rustls accepts
//! no certificate under such a constraint. No TLS client looks for a machine's name there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcgen::CustomExtension;

/// `id-ce-nameConstraints`
const OID: [u64; 4] = [2, 5, 29, 30];
const SEQUENCE: u8 = 0x30;
const PERMITTED: u8 = 0xa0;
const EXCLUDED: u8 = 0xa1;
/// The forms of a name (RFC 5280 §4.2.1.6).
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;
/// The one permitted name of forms that the authority never certifies. No host has this name (RFC
/// 2606 §2). Implementations differ in how they read an empty name.
const NOBODY: &[u8] = b"nobody.invalid";

/// Returns the extension that permits these names and no others. A form of name without a
/// constraint would be unlimited, so each form that is not needed is closed.
pub(super) fn extension(names: &[String]) -> CustomExtension {
    let (mut permitted, mut excluded) = (Vec::new(), Vec::new());
    let (mut dns, mut ip) = (false, false);
    for name in names {
        permitted.extend(match name.parse::<IpAddr>() {
            Ok(address) => {
                ip = true;
                subtree(IP, &network(address, 0xff))
            }
            Err(_) => {
                dns = true;
                subtree(DNS, name.as_bytes())
            }
        });
    }
    for form in [EMAIL, URI] {
        permitted.extend(subtree(form, NOBODY));
    }
    if !dns {
        excluded.extend(subtree(DNS, b""));
    }
    if !ip {
        for all in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
            excluded.extend(subtree(IP, &network(all, 0)));
        }
    }
    let mut both = tlv(PERMITTED, &permitted);
    if !excluded.is_empty() {
        both.extend(tlv(EXCLUDED, &excluded));
    }
    let mut extension = CustomExtension::from_oid_content(&OID, tlv(SEQUENCE, &both));
    extension.set_criticality(true);
    extension
}

fn subtree(form: u8, base: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &tlv(form, base))
}

/// Returns the address followed by a mask of equal bytes.
fn network(address: IpAddr, mask: u8) -> Vec<u8> {
    let mut bytes = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    bytes.resize(2 * bytes.len(), mask);
    bytes
}

/// Returns an element (X.690 §8.1). An authority's names are far shorter than 64 KiB.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = length.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<_>>();
    let length = match (content.len(), u8::try_from(significant.len())) {
        (0..128, _) => vec![content.len().to_be_bytes()[size_of::<usize>() - 1]],
        (_, count) => [&[0x80 | count.unwrap_or(0)], &significant[..]].concat(),
    };
    [&[tag], &length[..], content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_says_how_long_it_is() {
        for (length, head) in [
            (0, &[SEQUENCE, 0][..]),
            (127, &[SEQUENCE, 127]),
            (128, &[SEQUENCE, 0x81, 128]),
            (255, &[SEQUENCE, 0x81, 255]),
            (256, &[SEQUENCE, 0x82, 1, 0]),
            (20_000, &[SEQUENCE, 0x82, 0x4e, 0x20]),
        ] {
            let element = tlv(SEQUENCE, &vec![7; length]);
            assert_eq!((&element[..head.len()], element.len()), (head, head.len() + length));
        }
    }

    #[test]
    fn the_extension_stands_as_rfc_5280_has_it() {
        let names = ["127.0.0.1".to_owned(), "a.b".to_owned()];
        let expected = [
            &b"\x30\x39\xa0\x37\x30\x0a\x87\x08\x7f\x00\x00\x01\xff\xff\xff\xff\x30\x05\x82\x03a.b"[..],
            b"\x30\x10\x81\x0enobody.invalid\x30\x10\x86\x0enobody.invalid",
        ];
        let extension = extension(&names);
        assert_eq!(extension.content(), expected.concat());
        assert!(extension.criticality());
    }
}
