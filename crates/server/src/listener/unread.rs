//! The part of a request's body that is still unread when the answer is ready.
//!
//! A caller that is refused early is still sending its body. If the HTTP/1.1 connection closed
//! then, it would be reset, as would an HTTP/2 stream, and the answer could be lost. So the rest of
//! the body is read and discarded.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use parking_lot::Mutex;

use transom_http::unproved::Share;

/// The number of bytes that are discarded at most. No honest request is larger.
const MOST: usize = 16 * 1024 * 1024;
/// The time for discarding. After it, the answer goes out anyway.
const WAIT: Duration = Duration::from_secs(10);

/// A body that may outlive the request's handler.
pub(super) struct Unread {
    body: Arc<Mutex<Incoming>>,
    /// True if the sender waits for `100 Continue`, and sends no bytes before.
    waits: bool,
}

/// The handler's access to the body, limited by the bytes that the request's share allows.
struct Lent {
    body: Arc<Mutex<Incoming>>,
    share: Arc<Share>,
}

/// The reason why a body ends early.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    #[error("too many unauthenticated requests are open")]
    NoRoom,
}

impl Unread {
    /// Returns the body for the handler, and the access to its rest for later. The latter is `None`
    /// if there is no body.
    pub(super) fn of(body: Incoming, headers: &HeaderMap, share: &Arc<Share>) -> (Body, Option<Self>) {
        if body.is_end_stream() {
            return (Body::new(body), None);
        }
        let waits = headers.contains_key(header::EXPECT);
        let body = Arc::new(Mutex::new(body));
        let lent = Lent { body: Arc::clone(&body), share: Arc::clone(share) };
        (Body::new(lent), Some(Self { body, waits }))
    }

    /// Reads and discards the rest, within limits, unless the handler still reads.
    pub(super) async fn discard(self) {
        if self.waits {
            return;
        }
        let Some(body) = Arc::into_inner(self.body) else { return };
        let mut body = body.into_inner();
        let reading = async {
            let mut seen = 0;
            while let Some(Ok(frame)) = body.frame().await {
                seen += frame.data_ref().map_or(0, Bytes::len);
                if seen > MOST {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(WAIT, reading).await;
    }
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let polled = std::task::ready!(Pin::new(&mut *self.body.lock()).poll_frame(cx));
        Poll::Ready(polled.map(|frame| {
            let frame = frame?;
            let fits = frame.data_ref().is_none_or(|data| self.share.take(data.len()));
            if fits { Ok(frame) } else { Err(Cut::NoRoom) }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.lock().size_hint()
    }
}
