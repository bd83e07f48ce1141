//! The guest: a VNC server in a process of its own, behind every gateway.
//!
//! It answers a FramebufferUpdateRequest with one pixel and a PointerEvent with a small update.
//! Viewers give it orders as clipboard text: `stream N` sends N updates of 64 KiB, `stream` sends
//! them without end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::rfb::{self, Update, ViewerMessage};

/// The length of the listen queue: a thousand viewers may connect at once.
const BACKLOG: i32 = 4096;
/// The longest order. Longer clipboard text is load, and the guest discards it.
const LONGEST_ORDER: usize = 32;
const READ: usize = 256 * 1024;

/// The guest's process. Dropping it ends the process.
pub(crate) struct Guest {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Guest {
    /// Starts this program again, as the guest.
    pub(crate) fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("guest")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the guest does not start")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse().context("the guest printed no address")? })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Closing its input tells the guest to end. It may already be gone.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends.
pub(crate) fn run() -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = std::net::TcpListener::from(socket);
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    runtime.block_on(accept(listener))
}

async fn accept(listener: std::net::TcpListener) -> Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut sessions = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A viewer that leaves is the normal end of a session.
        sessions.spawn(async move { drop(serve(stream).await) });
        while sessions.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream) -> Result<()> {
    stream.write_all(rfb::VERSION).await?;
    let mut version = [0; 12];
    stream.read_exact(&mut version).await?;
    ensure!(&version == rfb::VERSION, "the viewer speaks another version");
    stream.write_all(&rfb::SECURITY_TYPES).await?;
    ensure!(stream.read_u8().await? == rfb::SECURITY_NONE, "the viewer chooses another security type");
    stream.write_all(&rfb::SECURITY_OK).await?;
    stream.read_u8().await?;
    stream.write_all(&rfb::server_init()).await?;
    let pixel = Update::PIXEL.message();
    let echo = Update::ECHO.message();
    let mut inbox = Inbox { stream, bytes: Vec::new() };
    loop {
        match inbox.message().await? {
            ViewerMessage::UpdateRequest => inbox.stream.write_all(&pixel).await?,
            ViewerMessage::Pointer => inbox.stream.write_all(&echo).await?,
            ViewerMessage::CutText(len) if len <= LONGEST_ORDER => {
                let order = inbox.text(len).await?;
                if let Some(count) = order.strip_prefix(b"stream") {
                    let count = std::str::from_utf8(count)?.trim().parse().unwrap_or(u64::MAX);
                    inbox.stream(count).await?;
                }
            }
            ViewerMessage::CutText(len) => inbox.skip(len).await?,
            ViewerMessage::Other => {}
        }
    }
}

/// A viewer's messages as they arrive.
struct Inbox {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Inbox {
    async fn message(&mut self) -> Result<ViewerMessage> {
        loop {
            if let Some((message, len)) = ViewerMessage::parse(&self.bytes)? {
                self.bytes.drain(..len);
                return Ok(message);
            }
            self.read().await?;
        }
    }

    async fn text(&mut self, len: usize) -> Result<Vec<u8>> {
        while self.bytes.len() < len {
            self.read().await?;
        }
        Ok(self.bytes.drain(..len).collect())
    }

    async fn skip(&mut self, mut len: usize) -> Result<()> {
        loop {
            let here = self.bytes.len().min(len);
            self.bytes.drain(..here);
            len -= here;
            if len == 0 {
                return Ok(());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<()> {
        self.bytes.reserve(READ);
        ensure!(self.stream.read_buf(&mut self.bytes).await? > 0, "the viewer left");
        Ok(())
    }

    async fn stream(&mut self, count: u64) -> Result<()> {
        // Four at a time, since the guest's own system calls should not dominate the measurement.
        let updates = Update::BULK.message().repeat(4);
        let mut left = count.saturating_mul(Update::BULK.len() as u64);
        while left > 0 {
            let now = updates.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.stream.write_all(&updates[..now]).await?;
            left -= now as u64;
        }
        Ok(())
    }
}
