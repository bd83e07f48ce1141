//! An asynchronous viewer: RFB in WebSocket frames, with the gateway's pings answered.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::rfb::{self, Update};
use crate::viewer::{Door, masked};

/// The time after which a session without an answer counts as lost.
const PATIENCE: Duration = Duration::from_secs(15);
/// The size of a read: frames of the gateway are short here.
const READ: usize = 2048;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open session.
pub(super) struct Session {
    stream: TcpStream,
    /// The bytes of an incomplete frame.
    frames: Vec<u8>,
    /// The RFB bytes that have not been read yet.
    bytes: Vec<u8>,
    pub(super) number: usize,
}

impl Session {
    /// Connects and continues up to the first pixel. The number selects the source address, so that
    /// no gateway takes thousands of viewers for one.
    pub(super) async fn open(door: &Door, number: usize) -> Result<Self> {
        timeout(PATIENCE, Self::opened(door, number)).await.context("the session does not open in time")?
    }

    async fn opened(door: &Door, number: usize) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        let source = Ipv4Addr::new(127, 0, 1 + (number / 250 % 250) as u8, 1 + (number % 250) as u8);
        socket.bind(SocketAddr::from((source, 0)))?;
        let stream = socket.connect(door.address).await?;
        stream.set_nodelay(true)?;
        let mut session = Self { stream, frames: Vec::new(), bytes: Vec::new(), number };
        session.upgrade(door).await?;
        ensure!(session.take(12).await? == rfb::VERSION, "the gateway speaks another version");
        session.send(rfb::VERSION).await?;
        ensure!(session.take(2).await? == rfb::SECURITY_TYPES, "the gateway does not offer None");
        session.send(&[rfb::SECURITY_NONE]).await?;
        ensure!(session.take(4).await? == rfb::SECURITY_OK, "the gateway refuses None");
        session.send(&[rfb::SHARED]).await?;
        session.take(rfb::INIT_LEN).await?;
        session.send(&rfb::viewer_setup()).await?;
        session.take(Update::PIXEL.len()).await?;
        // The buffers of thousands of idle sessions would not change the measurement, but fill this
        // machine's memory.
        session.frames.shrink_to_fit();
        session.bytes = Vec::new();
        Ok(session)
    }

    async fn upgrade(&mut self, door: &Door) -> Result<()> {
        let path = door.path.as_ref().context("a WebSocket has a path")?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: binary\r\n\r\n",
            door.address
        );
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            self.read().await?;
            if let Some(end) = self.frames.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.frames.drain(..end + 4).collect();
                let head = String::from_utf8_lossy(&head);
                ensure!(
                    head.starts_with("HTTP/1.1 101"),
                    "no upgrade: {}",
                    head.lines().next().unwrap_or_default()
                );
                return Ok(());
            }
        }
    }

    /// Moves the pointer, and waits for the answer.
    pub(super) async fn event(&mut self) -> Result<()> {
        let event = async {
            self.send(&rfb::pointer((self.number % 1000) as u16, 300)).await?;
            self.take(Update::ECHO.len()).await.map(drop)
        };
        timeout(PATIENCE, event).await.context("an event was not answered")?
    }

    /// Answers pings as long as no other data comes.
    pub(super) async fn hold(&mut self) -> Result<Infallible> {
        loop {
            self.read().await?;
            self.unwrap().await?;
            ensure!(self.bytes.is_empty(), "unrequested data arrived");
        }
    }

    /// Leaves as a viewer does when its window is closed.
    pub(super) async fn leave(mut self) -> Result<()> {
        self.stream.shutdown().await?;
        Ok(())
    }

    async fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(&masked(BINARY, message)).await?)
    }

    /// Returns the next bytes of RFB.
    async fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        self.unwrap().await?;
        while self.bytes.len() < count {
            self.read().await?;
            self.unwrap().await?;
        }
        Ok(self.bytes.drain(..count).collect())
    }

    /// Reads once. Cancel-safe.
    async fn read(&mut self) -> Result<()> {
        let mut buffer = [0; READ];
        let count = self.stream.read(&mut buffer).await?;
        ensure!(count > 0, "the gateway closed the connection");
        self.frames.extend_from_slice(&buffer[..count]);
        Ok(())
    }

    /// Parses all complete frames (RFC 6455 §5.2).
    async fn unwrap(&mut self) -> Result<()> {
        loop {
            let (head, length) = match *self.frames.as_slice() {
                [_, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
                [_, 126, ..] | [] | [_] => return Ok(()),
                [_, 127, ..] => bail!("a frame is longer than any of ours"),
                [_, short, ..] => (2, usize::from(short)),
            };
            let Some(payload) = self.frames.get(head..head + length) else { return Ok(()) };
            let (kind, payload) = (self.frames[0] & 0x0F, payload.to_vec());
            self.frames.drain(..head + length);
            match kind {
                CLOSE => bail!(
                    "the gateway closed the WebSocket: {}",
                    String::from_utf8_lossy(payload.get(2..).unwrap_or_default())
                ),
                PING => self.stream.write_all(&masked(PONG, &payload)).await?,
                PONG => {}
                _ => self.bytes.extend_from_slice(&payload),
            }
        }
    }
}
