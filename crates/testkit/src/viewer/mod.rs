//! Viewers: over WebSocket as pages connect, or raw behind a CONNECT. Both can speak RFB.

mod opening;
mod rfb;

use std::collections::VecDeque;
use std::fmt;
use std::io;

use bytes::{Buf as _, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::duplex::Duplex;
use crate::wait::within;
pub use opening::{Opening, Refused};
pub use rfb::Screen;

/// A connected viewer.
pub struct Viewer {
    channel: Channel,
    received: BytesMut,
    pings: usize,
    pongs: Vec<Vec<u8>>,
    /// Messages from the page's channel that the test has not read.
    told: VecDeque<Value>,
    /// The length of each binary frame received.
    frames: Vec<usize>,
}

enum Channel {
    WebSocket(Box<WebSocketStream<Box<dyn Duplex>>>),
    Raw(Box<dyn Duplex>),
}

/// The end of a viewer's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The WebSocket close code; `None` if the stream ended without a close frame.
    pub code: Option<u16>,
    /// The close frame's text.
    pub reason: String,
}

impl fmt::Display for Closed {
    /// Writes `4403 This console link has already been used.`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code} {}", self.reason),
            None => f.write_str("the stream ended without a word"),
        }
    }
}

impl Closed {
    fn wordless() -> Self {
        Self { code: None, reason: String::new() }
    }
}

impl Viewer {
    fn websocket(stream: WebSocketStream<Box<dyn Duplex>>) -> Self {
        Self::over(Channel::WebSocket(Box::new(stream)))
    }

    fn raw(stream: Box<dyn Duplex>) -> Self {
        Self::over(Channel::Raw(stream))
    }

    fn over(channel: Channel) -> Self {
        Self {
            channel,
            received: BytesMut::new(),
            pings: 0,
            pongs: Vec::new(),
            told: VecDeque::new(),
            frames: Vec::new(),
        }
    }

    /// Sends bytes; over WebSocket, as one binary frame.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        match &mut self.channel {
            Channel::WebSocket(stream) => {
                stream.send(Message::binary(bytes.to_vec())).await.map_err(|_| Closed::wordless())
            }
            Channel::Raw(stream) => stream.write_all(bytes).await.map_err(|_| Closed::wordless()),
        }
    }

    /// Sends a message of any kind over its WebSocket.
    pub async fn send_message(&mut self, message: Message) -> Result<(), Closed> {
        let Channel::WebSocket(stream) = &mut self.channel else {
            panic!("there are no messages without framing")
        };
        stream.send(message).await.map_err(|_| Closed::wordless())
    }

    /// Sends a message on the page's channel.
    pub async fn say(&mut self, message: Value) -> Result<(), Closed> {
        self.send_message(Message::text(message.to_string())).await
    }

    /// The next message of this type from the page's channel. Responds to beats on the way.
    pub async fn told(&mut self, kind: &str) -> Result<Value, Closed> {
        loop {
            while let Some(message) = self.told.pop_front() {
                if message["type"] == kind {
                    return Ok(message);
                }
            }
            self.receive().await?;
        }
    }

    /// Returns whether every message from the page's channel was read.
    #[must_use]
    pub fn untold(&self) -> bool {
        self.told.is_empty()
    }

    /// The lengths of all binary frames received.
    #[must_use]
    pub fn frames(&self) -> &[usize] {
        &self.frames
    }

    /// Writes bytes below the framing, to send frames that no library would.
    pub async fn send_below(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = match &mut self.channel {
            Channel::WebSocket(stream) => stream.get_mut(),
            Channel::Raw(stream) => stream,
        };
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    /// Reads and discards bytes below the framing. Afterwards the framing can no longer be read.
    pub async fn skip_below(&mut self, mut count: usize) -> io::Result<()> {
        let stream = match &mut self.channel {
            Channel::WebSocket(stream) => stream.get_mut(),
            Channel::Raw(stream) => stream,
        };
        let mut sink = [0; 4096];
        while count > 0 {
            let most = count.min(sink.len());
            match within("something for the viewer", stream.read(&mut sink[..most])).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => count -= read,
            }
        }
        Ok(())
    }

    /// Closes the viewer's half of the connection.
    pub async fn finish(&mut self) -> io::Result<()> {
        match &mut self.channel {
            Channel::WebSocket(stream) => stream.get_mut().shutdown().await,
            Channel::Raw(stream) => stream.shutdown().await,
        }
    }

    /// Reads the next `count` bytes.
    pub async fn take(&mut self, count: usize) -> Result<Vec<u8>, Closed> {
        while self.received.len() < count {
            self.receive().await?;
        }
        Ok(self.received.split_to(count).to_vec())
    }

    /// Waits for the end of the connection and ignores everything before it.
    pub async fn closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.receive().await {
                return closed;
            }
            self.received.clear();
        }
    }

    /// Waits for a ping.
    pub async fn pinged(&mut self) -> Result<(), Closed> {
        let before = self.pings;
        while self.pings == before {
            self.receive().await?;
        }
        Ok(())
    }

    /// The number of pings received.
    #[must_use]
    pub fn pings(&self) -> usize {
        self.pings
    }

    /// Waits for a pong with this payload and ignores everything before it.
    pub async fn ponged(&mut self, payload: &[u8]) -> Result<(), Closed> {
        while !self.pongs.iter().any(|pong| pong == payload) {
            self.receive().await?;
        }
        Ok(())
    }

    /// The bytes received but not read by the test.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.received.chunk()
    }

    /// Receives one message.
    async fn receive(&mut self) -> Result<(), Closed> {
        within("something for the viewer", async {
            match &mut self.channel {
                Channel::Raw(stream) => match stream.read_buf(&mut self.received).await {
                    Ok(0) | Err(_) => Err(Closed::wordless()),
                    Ok(_) => Ok(()),
                },
                Channel::WebSocket(stream) => match stream.next().await {
                    Some(Ok(Message::Binary(data))) => {
                        self.received.extend_from_slice(&data);
                        self.frames.push(data.len());
                        Ok(())
                    }
                    Some(Ok(Message::Text(text))) => {
                        let message: Value = serde_json::from_str(&text).expect("the channel speaks JSON");
                        if message["type"] == "beat" {
                            let echo = stream.send(Message::text(message.to_string())).await;
                            echo.map_err(|_| Closed::wordless())?;
                        }
                        self.told.push_back(message);
                        Ok(())
                    }
                    Some(Ok(Message::Ping(_))) => {
                        self.pings += 1;
                        // The library has queued its response, which a flush sends.
                        stream.flush().await.map_err(|_| Closed::wordless())
                    }
                    Some(Ok(Message::Pong(payload))) => {
                        self.pongs.push(payload.to_vec());
                        Ok(())
                    }
                    Some(Ok(Message::Close(frame))) => {
                        // The library responds to the close frame while it is polled, and then
                        // reports the end.
                        while let Some(Ok(_)) = stream.next().await {}
                        Err(match frame {
                            Some(frame) => {
                                Closed { code: Some(frame.code.into()), reason: frame.reason.to_string() }
                            }
                            None => Closed { code: Some(1005), reason: String::new() },
                        })
                    }
                    Some(Ok(_)) => Ok(()),
                    Some(Err(_)) | None => Err(Closed::wordless()),
                },
            }
        })
        .await
    }
}
