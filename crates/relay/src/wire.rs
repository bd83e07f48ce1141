//! Messages over a control connection, each with a deadline.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use transom_net::Stream;
use transom_tunnel::frame::Inbox;
use transom_tunnel::{Message, Refusal, RefusalCode};

/// The time for sending one message. Messages are short.
const SEND: Duration = Duration::from_secs(10);
/// The size of one read. Messages are short.
const READ: usize = 512;

pub(super) struct Wire {
    stream: Stream,
    inbox: Inbox,
}

/// The reason why no more messages arrive.
#[derive(Debug)]
pub(super) enum Lost {
    /// The connection is lost.
    Gone(io::Error),
    /// The peer sent bytes that are not a message.
    Garbled(Refusal),
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, inbox: Inbox::default() }
    }

    /// Returns the next message. It is cancel-safe.
    pub(super) async fn receive(&mut self) -> Result<Message, Lost> {
        loop {
            let next = Message::next(&mut self.inbox);
            let next = next.map_err(|error| {
                Lost::Garbled(Refusal::from(RefusalCode::ProtocolError).because(error.to_string()))
            })?;
            if let Some(message) = next {
                return Ok(message);
            }
            let mut buffer = [0; READ];
            match self.stream.read(&mut buffer).await? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                count => self.inbox.push(&buffer[..count]),
            }
        }
    }

    pub(super) async fn send(&mut self, message: &Message) -> io::Result<()> {
        let bytes = message.encode();
        let sent = timeout(SEND, async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        });
        sent.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Sends the refusal, as long as the peer still reads.
    pub(super) async fn refuse(mut self, refusal: Refusal) {
        if self.send(&Message::Refused(refusal)).await.is_ok() {
            // Closing with unread bytes would reset the connection and could lose the last message.
            let _ = timeout(SEND, async {
                self.stream.shutdown().await?;
                let mut sink = [0; READ];
                while self.stream.read(&mut sink).await? > 0 {}
                io::Result::Ok(())
            })
            .await;
        }
    }
}
