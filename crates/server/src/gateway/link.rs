//! The viewer's side of a session: a stream that carries RFB raw or in WebSocket frames.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use transom_model::EndReason;
use transom_model::end_reason::End;

use super::limits::CLOSE;
use super::websocket::frame::{self, Deframer, HEAD_ROOM, Signals};
use crate::http::upgrade::Switched;
#[cfg(target_os = "linux")]
use crate::splice::Taken;
use crate::stream::{Stream, poll_read_some};

/// A viewer's handshake messages are a dozen bytes.
const HANDSHAKE_READ: usize = 512;

/// A viewer.
#[derive(Debug)]
pub struct Link {
    pub(super) stream: Stream,
    framing: Framing,
    /// A close frame came behind data that had to go first.
    closing: Option<u16>,
    /// The viewer sends no more.
    finished: bool,
    outbox: Outbox,
}

#[derive(Debug)]
enum Framing {
    Raw,
    WebSocket(Deframer),
}

/// What a viewer did besides sending data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes of RFB, at the beginning of the range that was given back.
    Data(std::ops::Range<usize>),
    /// The stream ended without a word.
    Eof,
    /// A close frame came, with this code.
    Close(u16),
}

impl Link {
    /// A viewer that speaks RFB without framing: after CONNECT, or on a listener of its own.
    #[must_use]
    pub fn raw(stream: Stream) -> Self {
        Self { stream, framing: Framing::Raw, closing: None, finished: false, outbox: Outbox::default() }
    }

    /// A viewer behind a WebSocket; the answer to its opening handshake goes out with the first message.
    #[must_use]
    pub(crate) fn websocket(switched: Switched) -> Self {
        let Switched { stream, answer } = switched;
        let framing = Framing::WebSocket(Deframer::default());
        let outbox = Outbox { bytes: answer, ..Outbox::default() };
        Self { stream, framing, closing: None, finished: false, outbox }
    }

    /// Whether RFB travels without framing.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        matches!(self.framing, Framing::Raw)
    }

    /// How many bytes wait for the viewer to take them.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.waiting()
    }

    /// Reads once and takes the framing off.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Received, End>> {
        if let Some(code) = self.closing {
            return Poll::Ready(Ok(Received::Close(code)));
        }
        let count = match ready!(poll_read_some(&mut self.stream, cx, buffer)) {
            Ok(0) => {
                self.finished = true;
                return Poll::Ready(Ok(Received::Eof));
            }
            Ok(count) => count,
            Err(error) => return Poll::Ready(Err(lost(&error))),
        };
        let Framing::WebSocket(deframer) = &mut self.framing else {
            return Poll::Ready(Ok(Received::Data(0..count)));
        };
        let mut signals = Signals::default();
        let data = deframer
            .unmask(&mut buffer[..count], &mut signals)
            .map_err(|error| End::told(EndReason::ViewerWebsocketError, error.to_string()))?;
        if let Some(payload) = signals.ping {
            self.outbox.answer_ping(&payload);
        }
        self.closing = signals.close;
        Poll::Ready(Ok(match signals.close {
            Some(code) if data.is_empty() => Received::Close(code),
            _ => Received::Data(data),
        }))
    }

    /// Sends `len` bytes that stand behind the head-room of `framed`; what the viewer does not take now waits in the
    /// outbox, which must be empty.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        framed: &mut [u8],
        len: usize,
    ) -> io::Result<()> {
        let start = match self.framing {
            Framing::Raw => HEAD_ROOM,
            Framing::WebSocket(_) => frame::write_header(framed, len),
        };
        let sent = write_some(&mut self.stream, cx, &framed[start..])?;
        self.outbox.keep(&framed[start + sent..], &self.stream);
        Ok(())
    }

    /// As [`poll_send`](Self::poll_send), for bytes that are still in the kernel.
    #[cfg(target_os = "linux")]
    pub(super) fn send_taken(&mut self, taken: Taken) -> io::Result<()> {
        let mut header = [0; HEAD_ROOM];
        let start = match self.framing {
            Framing::Raw => HEAD_ROOM,
            Framing::WebSocket(_) => frame::write_header(&mut header, taken.len()),
        };
        let viewer = self.stream.tcp().ok_or(io::ErrorKind::Unsupported)?;
        taken.put(&header[start..], viewer, &mut self.outbox.bytes)
    }

    /// Appends a ping, unless the viewer has not taken earlier bytes: then it would tell nothing.
    pub(super) fn ping(&mut self) {
        if let Framing::WebSocket(_) = self.framing
            && self.outbox.is_empty()
        {
            frame::push_ping(&mut self.outbox.bytes);
        }
    }

    /// Sends what waits; ready when nothing does.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outbox.poll_drain(&mut self.stream, cx)
    }

    /// Reads once and appends what it holds to `data`.
    pub async fn receive(&mut self, data: &mut Vec<u8>) -> Result<(), End> {
        let mut buffer = [0; HANDSHAKE_READ];
        let received = poll_fn(|cx| self.poll_receive(cx, &mut buffer)).await?;
        poll_fn(|cx| self.poll_drain(cx)).await.map_err(|error| lost(&error))?;
        match received {
            Received::Data(range) => data.extend_from_slice(&buffer[range]),
            Received::Eof => return Err(EndReason::ViewerLost.into()),
            Received::Close(code) => return Err(closed(code)),
        }
        Ok(())
    }

    /// Sends messages whole, each in a frame of its own, together.
    pub async fn send(&mut self, messages: &[Vec<u8>]) -> Result<(), End> {
        if messages.is_empty() {
            return Ok(());
        }
        for message in messages {
            match self.framing {
                Framing::Raw => self.outbox.bytes.extend_from_slice(message),
                Framing::WebSocket(_) => frame::push_binary(&mut self.outbox.bytes, message),
            }
        }
        self.outbox.unflushed = true;
        poll_fn(|cx| self.poll_drain(cx)).await.map_err(|error| lost(&error))?;
        Ok(())
    }

    /// Says why it is over, waits a moment for the viewer to have heard it, and closes.
    pub async fn close(mut self, end: &End) {
        if let Framing::WebSocket(_) = self.framing {
            let code = match end.reason {
                // The viewer closed by itself: the normal code answers it.
                EndReason::ViewerClosed => 1000,
                reason => reason.close_code(),
            };
            frame::push_close(&mut self.outbox.bytes, code, &end.close_text());
            self.outbox.unflushed = true;
        }
        // A viewer that does not read cannot be told; the deadline is the answer to that.
        let _ = timeout(CLOSE, async {
            poll_fn(|cx| self.poll_drain(cx)).await?;
            if self.finished && !self.stream.buffers_writes() {
                return Ok(());
            }
            self.stream.shutdown().await?;
            // Closing while unread bytes wait would reset the connection, and the close frame could be lost with it.
            let mut sink = [0; HANDSHAKE_READ];
            while self.stream.read(&mut sink).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }
}

/// The viewer went without a word.
pub(super) fn lost(error: &io::Error) -> End {
    End::new(EndReason::ViewerLost, error.kind().to_string())
}

/// The viewer closed its WebSocket. A page that is reloaded or left says 1001 (RFC 6455 §7.4.1) and may come back.
pub(super) fn closed(code: u16) -> End {
    match code {
        1001 => EndReason::ViewerLost.into(),
        _ => EndReason::ViewerClosed.into(),
    }
}

/// Writes until the stream takes no more.
pub(super) fn write_some(stream: &mut Stream, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match Pin::new(&mut *stream).poll_write(cx, &bytes[sent..]) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => sent += count,
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    Ok(sent)
}

/// Bytes that a peer has not taken yet; holds no memory when there are none.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    /// Bytes may wait in the stream's own buffer.
    unflushed: bool,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keeps what `stream` could not take of a write.
    pub(super) fn keep(&mut self, rest: &[u8], stream: &Stream) {
        self.bytes.extend_from_slice(rest);
        self.unflushed |= stream.buffers_writes();
    }

    fn answer_ping(&mut self, payload: &[u8]) {
        // A viewer that pings and does not read gets one answer waiting for it, not a heap of them.
        if self.waiting() < frame::MAX_CONTROL {
            frame::push_pong(&mut self.bytes, payload);
            self.unflushed = true;
        }
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Ready when nothing waits any more.
    pub(super) fn poll_drain(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.bytes.is_empty() {
            self.sent += write_some(stream, cx, &self.bytes[self.sent..])?;
            if self.sent < self.bytes.len() {
                return Poll::Pending;
            }
            *self = Self { unflushed: self.unflushed, ..Self::default() };
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
