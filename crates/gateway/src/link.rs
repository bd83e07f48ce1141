//! The viewer's side of a session: a stream that carries RFB, either raw or in WebSocket frames.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
#[cfg(target_os = "linux")]
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use transom_model::EndReason;
use transom_model::end_reason::End;
#[cfg(target_os = "linux")]
use transom_net::splice::Taken;
use transom_net::{Outbox, Stream, mover, poll_read_some, scratch};
use transom_websocket::deframer::{Deframer, FrameError, Signals};
use transom_websocket::frame::{self, HEAD_ROOM};

use super::channel::{Allowance, FromPage, ToPage};
use super::limits::CLOSE;
use super::pace::{self, Pace};
use transom_http::upgrade::Switched;

/// The size of one read from a viewer, and of one write to a viewer behind TLS. Viewers send
/// little, but a pasted text should arrive in few pieces. TLS cuts a write into records anyway, and
/// copies the part that does not fit into its buffer.
pub(super) const SHORT: usize = 64 * 1024;
/// The size of one read during the handshake, whose messages are a dozen bytes.
const HANDSHAKE_READ: usize = 512;

/// The limit of unsent bytes in the kernel. With more, the gateway could not tell how fast the
/// viewer takes bytes, and it has no other sign: a viewer may send messages and yet take no bytes.
/// A line of 8 KB/s carries this much in 16 seconds.
const UNSENT: u32 = 128 * 1024;
/// The limit of unsent bytes until the line has proved fast.
const UNSENT_AT_FIRST: u32 = 16 * 1024;

/// A viewer.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    framing: Framing,
    /// The page's channel: the number of messages that the page may still send.
    channel: Option<Allowance>,
    /// True if the viewer has a resume ticket: only a `leave` then counts as a goodbye.
    returns: bool,
    /// A goodbye that arrived behind data. The data is passed on first.
    closing: Option<Goodbye>,
    /// True once the viewer sends no more.
    finished: bool,
    /// The payload of the last ping that has no pong yet. The pong is sent behind the bytes that
    /// already wait for the viewer.
    unanswered: Option<Vec<u8>>,
    /// The length of frames; `None` for a raw viewer.
    pace: Option<Pace>,
    outbox: Outbox,
}

#[derive(Debug)]
enum Framing {
    Raw,
    WebSocket(Deframer),
}

/// The outcome of a read from the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Bytes of RFB, in this range of the buffer.
    Data(std::ops::Range<usize>),
    /// The stream ended without a goodbye.
    Eof,
    /// The viewer leaves.
    Goodbye(Goodbye),
}

/// A viewer's way of leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// A close frame arrived, with this code.
    Close(u16),
    /// The page said that the session is over.
    Leave,
}

impl Link {
    /// A viewer that speaks RFB without framing.
    #[must_use]
    pub fn raw(stream: Stream) -> Self {
        stream.keep_unsent(UNSENT);
        Self::over(stream, Framing::Raw)
    }

    /// A viewer behind a WebSocket, perhaps with the page's channel. The answer to its opening
    /// handshake goes out with the first message.
    #[must_use]
    pub(crate) fn websocket(switched: Switched, has_channel: bool) -> Self {
        let Switched { stream, answer } = switched;
        let deframer = if has_channel { Deframer::taking_text() } else { Deframer::default() };
        stream.keep_unsent(UNSENT_AT_FIRST);
        Self {
            channel: has_channel.then(|| Allowance::new(Instant::now())),
            pace: Some(Pace::new(if stream.buffers_writes() { SHORT } else { pace::MOST })),
            outbox: Outbox::from(answer),
            ..Self::over(stream, Framing::WebSocket(deframer))
        }
    }

    fn over(stream: Stream, framing: Framing) -> Self {
        Self {
            stream,
            framing,
            channel: None,
            returns: false,
            closing: None,
            finished: false,
            unanswered: None,
            pace: None,
            outbox: Outbox::default(),
        }
    }

    /// Notes that the viewer has a resume ticket.
    pub(super) fn will_return(&mut self, returns: bool) {
        self.returns = returns;
    }

    /// Returns `true` if the viewer has a resume ticket.
    pub(super) fn returns(&self) -> bool {
        self.returns
    }

    /// Returns `true` if the page's channel runs beside RFB.
    pub(super) fn has_channel(&self) -> bool {
        self.channel.is_some()
    }

    /// Returns `true` if RFB travels without framing.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        matches!(self.framing, Framing::Raw)
    }

    /// The number of bytes that wait for the viewer.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.waiting()
    }

    /// Reads once and removes the framing.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<Result<Received, End>> {
        if let Some(goodbye) = self.closing {
            return Poll::Ready(Ok(Received::Goodbye(goodbye)));
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
        let data = deframer.unmask(&mut buffer[..count], &mut signals).map_err(|error| broken(&error))?;
        if let Some(payload) = signals.ping {
            // Only the last of several pings needs an answer (RFC 6455 §5.5.3), so pings from a
            // viewer that does not read do not pile up.
            self.unanswered = Some(payload);
        }
        let left = self.hear(&signals.texts)?;
        self.closing = left.or_else(|| signals.close.map(Goodbye::Close));
        Poll::Ready(Ok(match self.closing {
            Some(goodbye) if data.is_empty() => Received::Goodbye(goodbye),
            _ => Received::Data(data),
        }))
    }

    /// Reads the page's messages on its channel. Returns its goodbye, if it is among them.
    fn hear(&mut self, texts: &[Vec<u8>]) -> Result<Option<Goodbye>, End> {
        let Some(allowance) = self.channel.as_mut().filter(|_| !texts.is_empty()) else { return Ok(None) };
        let now = Instant::now();
        let mut left = None;
        for text in texts {
            if !allowance.take(now) {
                return Err(broken(&FrameError::TooManyTexts));
            }
            let message = FromPage::parse(text);
            match message
                .map_err(|error| End::for_viewers(EndReason::ViewerProtocolError, error.to_string()))?
            {
                FromPage::Leave => left = Some(Goodbye::Leave),
                FromPage::Beat | FromPage::Unknown => {}
            }
        }
        Ok(left)
    }

    /// The number of bytes that may be sent to the viewer at once.
    pub(super) fn takes(&self) -> usize {
        match &self.pace {
            Some(pace) if !pace.is_full() => pace.limit(),
            _ if self.stream.buffers_writes() => SHORT,
            _ => scratch::MOST,
        }
    }

    /// Returns `true` if the line has proved fast.
    pub(super) fn takes_bulk(&self) -> bool {
        self.pace.as_ref().is_none_or(Pace::is_full)
    }

    /// Adjusts the pace to a frame of this length: the stream took it at once, or part of it waits.
    fn sent(&mut self, len: usize) {
        let busy = !self.outbox.is_empty();
        self.learn(|pace| if busy { pace.held_up(len, Instant::now()) } else { pace.taken_at_once(len) });
    }

    fn learn(&mut self, learn: impl FnOnce(&mut Pace)) {
        let Some(pace) = &mut self.pace else { return };
        // The limit of unsent bytes shrinks as the line becomes slower, because a new frame waits
        // behind the bytes in the kernel.
        let unsent =
            |pace: &Pace| if pace.is_full() { UNSENT } else { UNSENT_AT_FIRST.max(pace.limit() as u32) };
        let before = unsent(pace);
        learn(pace);
        let after = unsent(pace);
        if after != before {
            self.stream.keep_unsent(after);
        }
    }

    /// Appends a message to the page, if it has the channel.
    pub(super) fn tell(&mut self, message: ToPage) {
        if self.has_channel() {
            frame::push_text(self.outbox.tail(), &message.text());
        }
    }

    /// Appends a ping, which the browser answers, and the channel's beat, which the page echoes: a
    /// sleeping page does not answer, and a proxy may not pass pings on. The gateway sends neither
    /// while earlier bytes wait, because it then watches whether the viewer takes those.
    pub(super) fn beat(&mut self) {
        if let Framing::WebSocket(_) = self.framing
            && self.outbox.is_empty()
        {
            self.tell(ToPage::Beat);
            frame::push_ping(self.outbox.tail());
        }
    }

    /// Returns `true` if a ping from the viewer has no pong yet.
    pub(super) fn owes_pong(&self) -> bool {
        self.unanswered.is_some()
    }

    /// Sends the waiting bytes and, behind them, the pong that is due. Ready once no bytes wait.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut drained = self.outbox.poll_drain(&mut self.stream, cx);
        if self.outbox.is_empty()
            && let Some(payload) = self.unanswered.take()
        {
            frame::push_pong(self.outbox.tail(), &payload);
            drained = self.outbox.poll_drain(&mut self.stream, cx);
        }
        if self.outbox.is_empty() && self.pace.as_ref().is_some_and(Pace::is_busy) {
            self.learn(|pace| pace.taken(Instant::now()));
        }
        drained
    }

    /// Reads once and appends the data to `data`.
    pub async fn receive(&mut self, data: &mut Vec<u8>) -> Result<(), End> {
        let mut buffer = [0; HANDSHAKE_READ];
        let received = poll_fn(|cx| self.poll_receive(cx, &mut buffer)).await?;
        poll_fn(|cx| self.poll_drain(cx)).await.map_err(|error| lost(&error))?;
        match received {
            Received::Data(range) => data.extend_from_slice(&buffer[range]),
            Received::Eof => return Err(EndReason::ViewerLost.into()),
            Received::Goodbye(goodbye) => return Err(self.ended_by(goodbye)),
        }
        Ok(())
    }

    /// Returns the end that a goodbye means for the session. A viewer with a resume ticket may
    /// close its WebSocket for any cause and return, for example when the page gives up a slow line
    /// or the browser shuts down: only `leave` ends its session. For all others a close ends the
    /// session as the viewer's wish, except 1001, "going away" (RFC 6455 §7.4.1).
    pub(super) fn ended_by(&self, goodbye: Goodbye) -> End {
        match goodbye {
            Goodbye::Close(_) if self.returns => EndReason::ViewerLost.into(),
            Goodbye::Close(1001) => EndReason::ViewerLost.into(),
            Goodbye::Close(_) | Goodbye::Leave => EndReason::ViewerClosed.into(),
        }
    }

    /// Sends whole messages together, each in a frame of its own.
    pub async fn send(&mut self, messages: &[Vec<u8>]) -> Result<(), End> {
        if messages.is_empty() {
            return Ok(());
        }
        for message in messages {
            match self.framing {
                Framing::Raw => self.outbox.tail().extend_from_slice(message),
                Framing::WebSocket(_) => frame::push_binary(self.outbox.tail(), message),
            }
        }
        poll_fn(|cx| self.poll_drain(cx)).await.map_err(|error| lost(&error))?;
        Ok(())
    }

    /// Tells the viewer the reason, gives it a moment to receive the reason, and closes.
    pub async fn close(mut self, end: &End) {
        if let Framing::WebSocket(_) = self.framing {
            let code = match end.reason {
                // The viewer closed first, so the normal code answers it.
                EndReason::ViewerClosed => 1000,
                EndReason::ViewerLost if self.closing.is_some() => 1000,
                reason => reason.close_code(),
            };
            frame::push_close(self.outbox.tail(), code, &end.close_text());
        }
        // A viewer that does not read cannot be told, so there is a deadline.
        let _ = timeout(CLOSE, async {
            poll_fn(|cx| self.poll_drain(cx)).await?;
            if self.finished && !self.stream.buffers_writes() {
                return Ok(());
            }
            self.stream.shutdown().await?;
            // Closing while unread bytes wait would reset the connection and could lose the close
            // frame.
            let mut sink = [0; HANDSHAKE_READ];
            while self.stream.read(&mut sink).await? > 0 {}
            io::Result::Ok(())
        })
        .await;
    }
}

impl mover::Sink for Link {
    const HEAD_ROOM: usize = HEAD_ROOM;

    /// Sends the bytes in frames of at most `pace::MOST` bytes.
    fn send(&mut self, cx: &mut Context<'_>, framed: &mut [u8]) -> io::Result<()> {
        let len = framed.len() - HEAD_ROOM;
        let first = len.min(pace::MOST);
        let (mut header, mut between) = ([0; HEAD_ROOM], HEAD_ROOM);
        let start = match self.framing {
            Framing::Raw => HEAD_ROOM,
            Framing::WebSocket(_) => {
                if len > first {
                    between = frame::write_header(&mut header, len - first);
                }
                let room = framed.first_chunk_mut().ok_or(io::ErrorKind::InvalidInput)?;
                frame::write_header(room, first)
            }
        };
        let (head, tail) = framed.split_at(HEAD_ROOM + first);
        if tail.is_empty() {
            self.outbox.send(&mut self.stream, cx, &head[start..])?;
        } else {
            let mut pieces = [&head[start..], &header[between..], tail].map(IoSlice::new);
            self.outbox.send_pieces(&mut self.stream, cx, &mut pieces)?;
        }
        self.sent(len);
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn tcp(&self) -> Option<&TcpStream> {
        self.stream.tcp()
    }

    #[cfg(target_os = "linux")]
    fn send_taken(&mut self, taken: Taken) -> io::Result<()> {
        let mut header = [0; HEAD_ROOM];
        let start = match self.framing {
            Framing::Raw => HEAD_ROOM,
            Framing::WebSocket(_) => frame::write_header(&mut header, taken.count()),
        };
        let viewer = self.stream.tcp().ok_or(io::ErrorKind::Unsupported)?;
        let len = taken.count();
        self.outbox.send_taken(taken, &header[start..], viewer)?;
        self.sent(len);
        Ok(())
    }
}

/// The end of a viewer whose connection failed without a goodbye.
pub(super) fn lost(error: &io::Error) -> End {
    End::new(EndReason::ViewerLost, error.kind().to_string())
}

/// The end of a viewer that broke the WebSocket protocol, or the channel's limits.
fn broken(error: &FrameError) -> End {
    let reason = match error {
        FrameError::TextTooLong | FrameError::TooManyTexts => EndReason::ViewerProtocolError,
        _ => EndReason::ViewerWebsocketError,
    };
    End::for_viewers(reason, error.to_string())
}
