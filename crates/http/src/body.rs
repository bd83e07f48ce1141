//! Reads the body of a request up to a limit. The listener reads and discards the rest, so that the
//! answer arrives.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

/// The limit on the body of any authenticated request. It has room for 24 group names of 256
/// four-byte characters in JSON escapes, and for certificates.
pub const LARGEST: usize = 256 * 1024;
/// The limit on a body that proves the caller's identity: a login, with room for what clients add
/// to it.
pub const PROOF: usize = 16 * 1024;
/// The limit on a body that presents a token or a ticket: a few dozen bytes.
pub const TOKEN: usize = 4 * 1024;
/// The limit on a signed body, which is buffered before its signature is verified. A hundred ids
/// take a few KiB.
pub const SIGNED: usize = 64 * 1024;

/// The reason why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It exceeds the limit.
    #[error("the body is too large")]
    TooLarge,
    /// It broke off, or it was not well-formed.
    #[error("the body is incomplete or malformed")]
    Broken,
}

/// Reads the whole body, at most `max` bytes.
pub async fn read(mut body: Body, max: usize) -> Result<Bytes, BodyError> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if read.len() + data.len() > max {
            return Err(BodyError::TooLarge);
        }
        read.extend_from_slice(&data);
    }
    Ok(read.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_up_to_its_bound() {
        let of = |bytes: usize| Body::from(vec![b'x'; bytes]);
        assert_eq!(read(of(0), 4).await, Ok(Bytes::new()));
        assert_eq!(read(of(4), 4).await, Ok(Bytes::from_static(b"xxxx")));
        assert_eq!(read(of(5), 4).await, Err(BodyError::TooLarge));
    }
}
