//! A viewer: RFB over TCP, or in WebSocket frames (RFC 6455).

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use socket2::{Domain, Socket, Type};

use crate::rfb::{self, Update};

/// The time after which a gateway that does not answer counts as broken or full. The bench reports
/// that instead of waiting.
const PATIENCE: Duration = Duration::from_secs(15);
const READ: usize = 256 * 1024;
const BINARY: u8 = 2;
const MASK: [u8; 4] = [0xA1, 0x02, 0x33, 0x74];

/// The address for viewers.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    /// The path and query of the WebSocket; `None` for plain TCP.
    pub(crate) path: Option<String>,
}

/// A connected viewer.
pub(crate) struct Viewer {
    pub(crate) socket: TcpStream,
    frames: Option<Frames>,
}

impl Viewer {
    /// Connects and continues up to the first pixel. The `number` selects the source address, so
    /// that no gateway takes a thousand viewers for one.
    pub(crate) fn open(door: &Door, number: usize) -> Result<Self> {
        let mut viewer = Self::connect(door, number)?;
        viewer.send(rfb::VERSION)?;
        let mut version = [0; 12];
        viewer.receive(&mut version)?;
        ensure!(&version == rfb::VERSION, "the gateway speaks another version");
        let mut types = [0; 2];
        viewer.receive(&mut types)?;
        ensure!(types == rfb::SECURITY_TYPES, "the gateway offers {types:?} instead of None");
        viewer.send(&[rfb::SECURITY_NONE])?;
        let mut result = [0; 4];
        viewer.receive(&mut result)?;
        ensure!(result == rfb::SECURITY_OK, "the gateway refuses None");
        viewer.send(&[rfb::SHARED])?;
        viewer.receive(&mut [0; rfb::INIT_LEN])?;
        viewer.send(&rfb::viewer_setup())?;
        viewer.skip(Update::PIXEL.len() as u64)?;
        Ok(viewer)
    }

    fn connect(door: &Door, number: usize) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let source = Ipv4Addr::new(127, 0, 1 + (number / 250 % 250) as u8, 1 + (number % 250) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        socket.connect_timeout(&door.address.into(), PATIENCE)?;
        let socket = TcpStream::from(socket);
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut viewer = Self { socket, frames: None };
        if let Some(path) = &door.path {
            viewer.upgrade(door.address, path)?;
            viewer.frames = Some(Frames::default());
        }
        Ok(viewer)
    }

    fn upgrade(&mut self, address: SocketAddr, path: &str) -> Result<()> {
        write!(
            self.socket,
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: binary\r\n\r\n"
        )?;
        // One byte at a time, since RFB follows the head directly.
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.socket.read_exact(&mut byte).context("no answer to the upgrade")?;
            head.push(byte[0]);
        }
        let status = String::from_utf8_lossy(&head);
        ensure!(
            status.starts_with("HTTP/1.1 101"),
            "no upgrade: {}",
            status.lines().next().unwrap_or_default()
        );
        Ok(())
    }

    /// Returns the bytes on the wire for a message: the message itself, or a masked frame around
    /// it.
    pub(crate) fn wire(&self, message: &[u8]) -> Vec<u8> {
        if self.frames.is_some() { masked(BINARY, message) } else { message.to_vec() }
    }

    /// Sends one message.
    pub(crate) fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.socket.write_all(&self.wire(message))?)
    }

    /// Fills `bytes`.
    pub(crate) fn receive(&mut self, bytes: &mut [u8]) -> Result<()> {
        let mut have = 0;
        while have < bytes.len() {
            have += self.read(&mut bytes[have..])?;
        }
        Ok(())
    }

    /// Receives this many bytes and discards them.
    pub(crate) fn skip(&mut self, mut count: u64) -> Result<()> {
        let mut scratch = vec![0; READ.min(usize::try_from(count)?)];
        while count > 0 {
            let most = READ.min(usize::try_from(count)?);
            count -= self.read(&mut scratch[..most])? as u64;
        }
        Ok(())
    }

    /// Reads once, and moves the bytes without framing to the buffer's beginning. Framing only
    /// makes them fewer.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.socket.read(buffer)?;
        ensure!(count > 0, "the gateway closed the connection");
        match &mut self.frames {
            Some(frames) => frames.unwrap(&mut buffer[..count]),
            None => Ok(count),
        }
    }
}

/// A parser of the gateway's frames.
#[derive(Default)]
struct Frames {
    head: Vec<u8>,
    left: u64,
    control: bool,
}

impl Frames {
    /// Moves the payload to the beginning of `chunk`; returns its length.
    fn unwrap(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let (mut at, mut kept) = (0, 0);
        while at < chunk.len() {
            if self.left == 0 {
                self.head.push(chunk[at]);
                at += 1;
                self.try_begin()?;
                continue;
            }
            let count = usize::try_from(self.left)?.min(chunk.len() - at);
            if !self.control {
                chunk.copy_within(at..at + count, kept);
                kept += count;
            }
            at += count;
            self.left -= count as u64;
        }
        Ok(kept)
    }

    /// Begins the frame once its header is complete.
    fn try_begin(&mut self) -> Result<()> {
        let longer = match self.head.get(1) {
            None => return Ok(()),
            Some(126) => 2,
            Some(127) => 8,
            Some(_) => 0,
        };
        if self.head.len() < 2 + longer {
            return Ok(());
        }
        if self.head[0] & 0x0F == 8 {
            bail!("the gateway closed the WebSocket");
        }
        self.control = self.head[0] & 0x08 != 0;
        let length = if longer == 0 { &self.head[1..] } else { &self.head[2..] };
        self.left = length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        self.head.clear();
        Ok(())
    }
}

/// Returns one frame of this kind (RFC 6455 §5.2).
pub(crate) fn masked(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | kind];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xFFFF => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
