//! Reads the body of a request up to a limit. The listener reads and discards the rest, so that the
//! answer arrives.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;

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
