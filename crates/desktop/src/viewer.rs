//! The connection of one viewer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use transom_rfb::{
    ClientMessage, ClientMessageError, PixelFormat, ServerInit, ViewerHandshake, ViewerHandshakeError,
    ViewerProgress, VncPassword, server_message,
};

use crate::canvas::{Area, HEIGHT, WHOLE, WIDTH};
use crate::screen::SeenTiles;
use crate::shared_state::SharedState;
use crate::viewer_input::Modifiers;

/// The name of the desktop in ServerInit.
const NAME: &str = "Transom test desktop";

/// The time limit of a handshake, which takes a few packets.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time after which a viewer that accepts no bytes counts as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest message that is gathered. It limits a viewer's memory; only a clipboard message can
/// be this long.
const MAX_MESSAGE: usize = 1024 * 1024;

/// The size of one read.
const READ_LEN: usize = 16 * 1024;

/// The reason why a viewer's connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewerError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the viewer {0}")]
    Handshake(#[from] ViewerHandshakeError),
    #[error("the viewer {0}")]
    Message(#[from] ClientMessageError),
    #[error("the viewer sent a message of more than {MAX_MESSAGE} bytes")]
    MessageTooLong,
    #[error("the viewer asked for pixels that are not true colour in 8, 16 or 32 bits")]
    PixelFormat,
    #[error("the viewer did not finish its handshake, or stopped reading")]
    TooSlow,
}

/// Serves one viewer until it leaves.
pub(crate) async fn serve(
    mut stream: TcpStream,
    state: Arc<SharedState>,
    password: Option<VncPassword>,
) -> Result<(), ViewerError> {
    stream.set_nodelay(true)?;
    let handshake = timeout(HANDSHAKE_TIMEOUT, handshake(&mut stream, password));
    let Some(received) = handshake.await.map_err(|_| ViewerError::TooSlow)?? else { return Ok(()) };
    let mut viewer = Viewer {
        state,
        received,
        modifiers: Modifiers::default(),
        format: PixelFormat::RGB888,
        seen: SeenTiles::nothing(),
        wanted: None,
        echoes: 0,
    };
    viewer.run(&mut stream).await
}

/// Performs the handshake up to ServerInit. Returns the bytes received after it, or `None` if the
/// viewer disconnected.
async fn handshake(
    stream: &mut TcpStream,
    password: Option<VncPassword>,
) -> Result<Option<Vec<u8>>, ViewerError> {
    let mut machine = match password {
        // 122 of these bits are random, which is enough to avoid repetition.
        Some(password) => ViewerHandshake::with_password(password, uuid::Uuid::new_v4().into_bytes()),
        None => ViewerHandshake::new(),
    };
    let mut chunk = [0; 256];
    loop {
        stream.write_all(&machine.take_output().concat()).await?;
        let len = stream.read(&mut chunk).await?;
        if len == 0 {
            return Ok(None);
        }
        let mut input = &chunk[..len];
        let progress = machine.receive(&mut input);
        // The output is also sent after an error, because it tells the viewer the reason.
        stream.write_all(&machine.take_output().concat()).await?;
        if let ViewerProgress::Done { .. } = progress? {
            let init = ServerInit {
                width: WIDTH,
                height: HEIGHT,
                pixel_format: PixelFormat::RGB888,
                name: NAME.into(),
            };
            stream.write_all(&init.message()).await?;
            return Ok(Some(input.to_vec()));
        }
    }
}

struct Viewer {
    state: Arc<SharedState>,
    /// The beginning of a message that is not whole yet.
    received: Vec<u8>,
    modifiers: Modifiers,
    format: PixelFormat,
    seen: SeenTiles,
    /// The area that the viewer has asked for, but not received yet.
    wanted: Option<Area>,
    /// The number of F2 presses when the clipboard was last sent.
    echoes: u64,
}

impl Viewer {
    async fn run(&mut self, stream: &mut TcpStream) -> Result<(), ViewerError> {
        let mut pictures = self.state.subscribe();
        self.echoes = self.state.input().echo().0;
        // The number of viewers is part of the picture.
        self.state.touch();
        let mut chunk = vec![0; READ_LEN];
        loop {
            self.take_messages()?;
            if let Some(out) = self.news() {
                timeout(WRITE_TIMEOUT, stream.write_all(&out)).await.map_err(|_| ViewerError::TooSlow)??;
            }
            tokio::select! {
                len = stream.read(&mut chunk) => match len? {
                    0 => return Ok(()),
                    len => self.received.extend_from_slice(&chunk[..len]),
                },
                Ok(()) = pictures.changed() => {}
            }
        }
    }

    /// Handles every whole message that has arrived.
    fn take_messages(&mut self) -> Result<(), ViewerError> {
        let mut received = std::mem::take(&mut self.received);
        let mut taken = 0;
        while let Some((message, len)) = ClientMessage::parse(&received[taken..])? {
            taken += len;
            self.take(&message)?;
        }
        received.drain(..taken);
        self.received = received;
        if self.received.len() > MAX_MESSAGE { Err(ViewerError::MessageTooLong) } else { Ok(()) }
    }

    fn take(&mut self, message: &ClientMessage<'_>) -> Result<(), ViewerError> {
        match *message {
            ClientMessage::SetPixelFormat(format) if !format.is_paintable() => {
                return Err(ViewerError::PixelFormat);
            }
            ClientMessage::SetPixelFormat(format) => {
                self.format = format;
                self.seen.forget(&WHOLE);
            }
            ClientMessage::UpdateRequest { incremental, area } => {
                let [x, y, width, height] = area.map(usize::from);
                let area = Area::new(x, y, width, height);
                if !incremental {
                    self.seen.forget(&area);
                }
                self.wanted = Some(area);
            }
            _ => {
                if self.state.input().take(message, &mut self.modifiers) {
                    self.state.touch();
                }
            }
        }
        Ok(())
    }

    /// The bytes to send now: the clipboard if F2 asked for it, and an update if one is wanted and
    /// due.
    fn news(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let (echoes, text) = self.state.input().echo();
        if echoes != self.echoes {
            self.echoes = echoes;
            server_message::cut_text(&text, &mut out);
        }
        if let Some(update) =
            self.wanted.and_then(|area| self.state.screen().update(&area, &mut self.seen, &self.format))
        {
            self.wanted = None;
            out.extend(update);
        }
        (!out.is_empty()).then_some(out)
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // The number of viewers is part of the picture.
        self.state.touch();
    }
}
