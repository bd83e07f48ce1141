//! What is left of a connection when HTTP is done with it.

use std::io;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use transom_net::Stream;
use transom_net::deadline;

use super::limits::FAREWELL;
use super::stream::HttpStream;

/// A connection that is no longer HTTP.
#[derive(Debug)]
pub struct Switched {
    /// The bare stream, with what hyper had read ahead.
    pub stream: Stream,
    /// The answer that its peer is still to be told.
    pub answer: Vec<u8>,
}

impl Switched {
    /// The connection below hyper, once it has answered; nothing where its peer went before.
    pub async fn from(upgrade: OnUpgrade) -> Option<Self> {
        let parts = upgrade.await.ok()?.downcast::<TokioIo<HttpStream>>().ok()?;
        let (mut stream, answer) = parts.io.into_inner().into_parts();
        stream.unread(&parts.read_buf);
        Some(Self { stream, answer })
    }

    /// The stream of a peer that has been told.
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
