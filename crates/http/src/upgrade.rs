//! A connection after HTTP.

use std::io;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use transom_net::Stream;
use transom_net::deadline;

use super::limits::FAREWELL;
use super::stream::HttpStream;

/// A connection that no longer speaks HTTP.
#[derive(Debug)]
pub struct Switched {
    /// The bare stream, with the bytes that hyper had read ahead.
    pub stream: Stream,
    /// The answer that the peer has yet to receive.
    pub answer: Vec<u8>,
}

impl Switched {
    /// Takes the connection from hyper once it has answered. Returns `None` if the peer left
    /// before.
    pub async fn from(upgrade: OnUpgrade) -> Option<Self> {
        let parts = upgrade.await.ok()?.downcast::<TokioIo<HttpStream>>().ok()?;
        let (mut stream, answer) = parts.io.into_inner().into_parts();
        stream.unread(&parts.read_buf);
        Some(Self { stream, answer })
    }

    /// Sends the answer, and returns the stream.
    pub async fn answered(self) -> io::Result<Stream> {
        let Self { mut stream, answer } = self;
        let telling = async {
            stream.write_all(&answer).await?;
            stream.flush().await
        };
        deadline(FAREWELL, telling).await?;
        Ok(stream)
    }
}
