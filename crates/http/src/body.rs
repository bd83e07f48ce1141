//! Reading a request's body: never more than a bound. (What is left then is read and thrown away by the listener, so that
//! the answer arrives.)

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

/// The largest body anywhere, of somebody who has proved who it is: 24 group names of 256 four-byte characters, written as
/// JSON escapes, fit, and certificates.
pub const LARGEST: usize = 256 * 1024;
/// The largest that is itself the proof: a login, with room for what clients put around it.
pub const PROOF: usize = 16 * 1024;
/// The largest that shows a token or a ticket: a few dozen bytes.
pub const TOKEN: usize = 4 * 1024;
/// The largest whose signature covers it, so that it is kept before it is proved: a hundred ids need a few KiB.
pub const SIGNED: usize = 64 * 1024;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than the bound.
    #[error("the body is too large")]
    TooLarge,
    /// It stopped, or was not well-formed.
    #[error("the body broke off")]
    Broken,
}

/// Reads the whole body, which may have `max` bytes.
pub async fn read(mut body: Body, max: usize) -> Result<Bytes, BodyError> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if kept.len() + data.len() > max {
            return Err(BodyError::TooLarge);
        }
        kept.extend_from_slice(&data);
    }
    Ok(kept.freeze())
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
