//! The bodies of fuzz targets, as plain functions. Arbitrary bytes must not cause a panic, and
//! splitting them at any place must not change the result.

use crate::listener::head::{parse_connect, parse_upgrade, recognise};
use transom_api::{openstack, zenlayer};

/// Feeds the check of a connection's first bytes, and the parsers of a raw CONNECT and of a
/// WebSocket request.
pub fn request_head(data: &[u8]) {
    let (mut opening, mut head, mut upgrade) = (None, Ok(None), None);
    for end in 0..=data.len() {
        let bytes = &data[..end];
        if opening.is_some() {
            assert_eq!(opening, recognise(bytes), "more bytes changed a connection's kind");
        }
        opening = recognise(bytes);
        if head != Ok(None) {
            assert_eq!(head, parse_connect(bytes), "more bytes changed a complete head");
        }
        head = parse_connect(bytes);
        if let Ok(Some(head)) = &head {
            assert!(head.len <= end && !head.target.is_empty(), "a head is longer than its bytes");
        }
        let len = parse_upgrade(bytes).map(|head| head.len);
        assert!(len.is_none_or(|len| len <= end), "a head is longer than its bytes");
        assert!(upgrade.is_none() || upgrade == len, "more bytes changed a complete head");
        upgrade = len;
    }
}

/// Feeds the headers of a Zenlayer API call, one on each line; the first is the `Authorization`.
pub fn zenlayer_authorization(data: &[u8]) {
    zenlayer::fuzz::authorization(data);
}

/// Feeds the body of an OpenStack API call.
pub fn openstack_body(data: &[u8]) {
    openstack::fuzz::body(data);
}
