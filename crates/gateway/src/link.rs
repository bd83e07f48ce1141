//! The viewer's side of a session: a stream that carries RFB raw or in WebSocket frames.

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

/// The most bytes of a read from a viewer, and of a write to one behind TLS. Viewers send little, but
/// a pasted text should arrive in few pieces. TLS cuts a write into records anyway, and copies the
/// part that does not fit its buffer.
pub(super) const SHORT: usize = 64 * 1024;
/// A viewer's handshake messages are a dozen bytes.
const HANDSHAKE_READ: usize = 512;

/// The kernel holds no more than this of what it has not sent yet: what it took would otherwise tell nothing of what the
/// viewer takes. Nothing else does, since a viewer may talk and take nothing. A line of 8 KB/s carries it in 16 seconds.
const UNSENT: u32 = 128 * 1024;
/// The same until a line has shown that it is fast.
const UNSENT_AT_FIRST: u32 = 16 * 1024;

/// A viewer.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    framing: Framing,
    /// The page's channel: how much the page may still say.
    channel: Option<Allowance>,
    /// The viewer has a resume ticket: only its `leave` is a goodbye.
    returns: bool,
    /// A goodbye came behind data that had to go first.
    closing: Option<Goodbye>,
    /// The viewer sends no more.
    finished: bool,
    /// The last ping that has no pong yet: that goes out behind what the viewer has not taken.
    unanswered: Option<Vec<u8>>,
    /// How long frames are; of a raw viewer there are none.
    pace: Option<Pace>,
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
    /// The viewer goes.
    Goodbye(Goodbye),
}

/// How a viewer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// A close frame came, with this code.
    Close(u16),
    /// The page said that the session is over.
    Leave,
}

impl Link {
    /// A viewer that speaks RFB without framing: after CONNECT, or on a listener of its own.
    #[must_use]
    pub fn raw(stream: Stream) -> Self {
        stream.keep_unsent(UNSENT);
        Self::over(stream, Framing::Raw)
    }

    /// A viewer behind a WebSocket, perhaps with the page's channel; the answer to its opening handshake goes out with the
    /// first message.
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

    /// Takes note that the viewer has a resume ticket.
    pub(super) fn will_return(&mut self, returns: bool) {
        self.returns = returns;
    }

    /// Whether the viewer has a resume ticket.
    pub(super) fn returns(&self) -> bool {
        self.returns
    }

    /// Whether the page's channel runs beside RFB.
    pub(super) fn has_channel(&self) -> bool {
        self.channel.is_some()
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
            // Of several only the last needs an answer (RFC 6455 §5.5.3): a viewer that pings and does not read gets one.
            self.unanswered = Some(payload);
        }
        let left = self.hear(&signals.texts)?;
        self.closing = left.or(signals.close.map(Goodbye::Close));
        Poll::Ready(Ok(match self.closing {
            Some(goodbye) if data.is_empty() => Received::Goodbye(goodbye),
            _ => Received::Data(data),
        }))
    }

    /// What the page says on its channel; its goodbye, where that is among it.
    fn hear(&mut self, texts: &[Vec<u8>]) -> Result<Option<Goodbye>, End> {
        let Some(allowance) = self.channel.as_mut().filter(|_| !texts.is_empty()) else { return Ok(None) };
        let now = Instant::now();
        let mut left = None;
        for text in texts {
            if !allowance.take(now) {
                return Err(broken(&FrameError::TooManyTexts));
            }
            let message = FromPage::parse(text);
            match message.map_err(|error| End::told(EndReason::ViewerProtocolError, error.to_string()))? {
                FromPage::Leave => left = Some(Goodbye::Leave),
                FromPage::Beat | FromPage::Unknown => {}
            }
        }
        Ok(left)
    }

    /// How many bytes the viewer may be sent at once.
    pub(super) fn takes(&self) -> usize {
        match &self.pace {
            Some(pace) if !pace.is_full() => pace.limit(),
            _ if self.stream.buffers_writes() => SHORT,
            _ => scratch::MOST,
        }
    }

    /// Whether the line is known to be fast.
    pub(super) fn takes_bulk(&self) -> bool {
        self.pace.as_ref().is_none_or(Pace::is_full)
    }

    /// Learns from what became of a frame of this length.
    fn sent(&mut self, len: usize) {
        let busy = !self.outbox.is_empty();
        self.learn(|pace| if busy { pace.held_up(len, Instant::now()) } else { pace.taken_at_once(len) });
    }

    fn learn(&mut self, learn: impl FnOnce(&mut Pace)) {
        let Some(pace) = &mut self.pace else { return };
        // Less and less, as the line becomes slower: what is held already has to go first.
        let unsent =
            |pace: &Pace| if pace.is_full() { UNSENT } else { UNSENT_AT_FIRST.max(pace.limit() as u32) };
        let before = unsent(pace);
        learn(pace);
        let after = unsent(pace);
        if after != before {
            self.stream.keep_unsent(after);
        }
    }

    /// Appends a message to the page, where it has the channel.
    pub(super) fn tell(&mut self, message: ToPage) {
        if self.has_channel() {
            frame::push_text(self.outbox.tail(), &message.text());
        }
    }

    /// Appends a ping, which the browser answers, and the channel's beat, which the page echoes: a page that sleeps does not,
    /// and one behind a proxy may not be pinged. Neither is sent while the viewer has not taken earlier bytes: what it
    /// takes of those tells more.
    pub(super) fn beat(&mut self) {
        if let Framing::WebSocket(_) = self.framing
            && self.outbox.is_empty()
        {
            self.tell(ToPage::Beat);
            frame::push_ping(self.outbox.tail());
        }
    }

    /// Whether a ping of the viewer's has no pong yet.
    pub(super) fn owes_pong(&self) -> bool {
        self.unanswered.is_some()
    }

    /// Sends what waits, and the pong that is owed behind it; ready when nothing does.
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

    /// Reads once and appends what it holds to `data`.
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

    /// What a goodbye means for the session. A viewer that has a resume ticket may close its WebSocket for any cause, a page
    /// that gives a line up as well as a browser that is shut, and come back: only its `leave` ends the session. For all
    /// others, closing is leaving, except that 1001 is "going away" (RFC 6455 §7.4.1).
    pub(super) fn ended_by(&self, goodbye: Goodbye) -> End {
        match goodbye {
            Goodbye::Close(_) if self.returns => EndReason::ViewerLost.into(),
            Goodbye::Close(1001) => EndReason::ViewerLost.into(),
            Goodbye::Close(_) | Goodbye::Leave => EndReason::ViewerClosed.into(),
        }
    }

    /// Sends messages whole, each in a frame of its own, together.
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

    /// Says why it is over, waits a moment for the viewer to have heard it, and closes.
    pub async fn close(mut self, end: &End) {
        if let Framing::WebSocket(_) = self.framing {
            let code = match end.reason {
                // The viewer closed by itself: the normal code answers it.
                EndReason::ViewerClosed => 1000,
                EndReason::ViewerLost if self.closing.is_some() => 1000,
                reason => reason.close_code(),
            };
            frame::push_close(self.outbox.tail(), code, &end.close_text());
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

impl mover::Sink for Link {
    const HEAD_ROOM: usize = HEAD_ROOM;

    /// Sends the bytes in frames of at most [`pace::MOST`].
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

/// The viewer went without a word.
pub(super) fn lost(error: &io::Error) -> End {
    End::new(EndReason::ViewerLost, error.kind().to_string())
}

/// The viewer broke the WebSocket protocol, or what its channel allows.
fn broken(error: &FrameError) -> End {
    let reason = match error {
        FrameError::TextTooLong | FrameError::TooManyTexts => EndReason::ViewerProtocolError,
        _ => EndReason::ViewerWebsocketError,
    };
    End::told(reason, error.to_string())
}
