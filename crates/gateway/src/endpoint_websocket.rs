//! Endpoints behind a WebSocket: the gateway is the client, and RFB travels in binary messages.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use transom_app::random;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_model::request_headers::RequestHeader;
use transom_net::{Layer, Outbox, Stream};
use transom_websocket::client::{AnswerError, Request, push_masked, push_masked_close, push_masked_pong};
use transom_websocket::deframer::{Deframer, Signals};

use super::endpoint_tls;

/// The code of a close without an error.
const NORMAL: u16 = 1000;
/// The number of unsent bytes above which pings go unanswered: a server that takes no bytes does
/// not read the answer either.
const MOST_WAITING: usize = 256 * 1024;

/// Asks for a WebSocket at `target`. The caller sets the deadline.
pub(super) async fn ask(
    mut stream: Stream,
    host: &str,
    target: &str,
    headers: &[RequestHeader<'_>],
) -> Result<Stream, End> {
    let gone = |error: io::Error| endpoint_tls::gone(&error);
    let request = Request::new(random::bytes());
    let headers = headers.iter().map(|header| (header.name, header.value));
    stream.write_all(&request.head(host, target, headers)).await.map_err(gone)?;
    stream.flush().await.map_err(gone)?;
    let mut answer = Vec::new();
    let head = loop {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await.map_err(gone)?;
        if count == 0 {
            return Err(EndReason::InstanceClosedEarly.into());
        }
        answer.extend_from_slice(&buffer[..count]);
        if let Some(head) = request.read_answer(&answer).map_err(refused)? {
            break head;
        }
    };
    // The first message may have arrived together with the answer.
    stream.unread(&answer[head..]);
    Ok(Stream::layered(ClientSocket::new(stream)))
}

fn refused(error: AnswerError) -> End {
    let reason = match error {
        AnswerError::NotHttp => EndReason::InstanceNotVnc,
        AnswerError::Status(_) | AnswerError::NotWebSocket | AnswerError::Subprotocol => {
            EndReason::InstanceRefusedSession
        }
    };
    End::new(reason, format!("its WebSocket: {error}"))
}

/// A stream of RFB inside the binary messages of a WebSocket.
struct ClientSocket {
    below: Stream,
    deframer: Deframer,
    /// Frames that the server has not taken yet.
    out: Outbox,
    has_closed: bool,
    /// True once the server has closed: no data follows.
    is_over: bool,
}

impl ClientSocket {
    fn new(below: Stream) -> Self {
        Self {
            below,
            deframer: Deframer::from_server(),
            out: Outbox::default(),
            has_closed: false,
            is_over: false,
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.out.poll_drain(&mut self.below, cx)
    }

    fn heed(&mut self, signals: Signals) {
        if let Some(payload) = signals.ping {
            push_masked_pong(self.out.tail(), &payload, random::bytes());
        }
        if signals.close.is_some() {
            self.is_over = true;
            self.close();
        }
    }

    fn close(&mut self) {
        if !std::mem::replace(&mut self.has_closed, true) {
            push_masked_close(self.out.tail(), NORMAL, random::bytes());
        }
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_over {
            let before = buffer.filled().len();
            let read = Pin::new(&mut self.below).poll_read(cx, buffer);
            if read.is_pending() && !self.out.is_empty() {
                // No other call would send the answer to a ping.
                let _ = self.poll_drain(cx)?;
            }
            ready!(read)?;
            if buffer.filled().len() == before {
                return Poll::Ready(Ok(()));
            }
            let mut signals = Signals::default();
            let chunk = &mut buffer.filled_mut()[before..];
            let data = self.deframer.unmask(chunk, &mut signals);
            let data = data.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let length = data.len();
            chunk.copy_within(data, 0);
            buffer.set_filled(before + length);
            if self.out.waiting() < MOST_WAITING {
                self.heed(signals);
            }
            if length > 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.has_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_drain(cx))?;
        let taken = push_masked(self.out.tail(), bytes, random::bytes());
        if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.below).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.close();
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.below).poll_shutdown(cx)
    }
}

impl Layer for ClientSocket {
    fn below(&self) -> &Stream {
        &self.below
    }
}

impl fmt::Debug for ClientSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSocket").field("below", &self.below).finish_non_exhaustive()
    }
}
