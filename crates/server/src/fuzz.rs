//! Bodies for fuzzing, as plain functions: arbitrary bytes must neither panic nor be told apart by how they are cut.

use crate::listener::head::{parse_connect, parse_upgrade, recognise};
use transom_api::{openstack, zenlayer};

/// The peek at a connection's first bytes, and the heads of a raw CONNECT and of a request for a WebSocket.
pub fn request_head(data: &[u8]) {
    let (mut opening, mut head, mut upgrade) = (None, Ok(None), None);
    for end in 0..=data.len() {
        let bytes = &data[..end];
        if opening.is_some() {
            assert_eq!(opening, recognise(bytes), "what a connection is changed with more bytes");
        }
        opening = recognise(bytes);
        if head != Ok(None) {
            assert_eq!(head, parse_connect(bytes), "a head that was read changed with more bytes");
        }
        head = parse_connect(bytes);
        if let Ok(Some(head)) = &head {
            assert!(head.len <= end && !head.target.is_empty(), "a head is longer than what came");
        }
        let len = parse_upgrade(bytes).map(|head| head.len);
        assert!(len.is_none_or(|len| len <= end), "a head is longer than what came");
        assert!(upgrade.is_none() || upgrade == len, "a head that was read changed with more bytes");
        upgrade = len;
    }
}

/// The headers of a call to Zenlayer's door, each on a line; the first is the `Authorization`.
pub fn zenlayer_authorization(data: &[u8]) {
    zenlayer::fuzz::authorization(data);
}

/// The body of a call to OpenStack's door.
pub fn openstack_body(data: &[u8]) {
    openstack::fuzz::body(data);
}
