//! What is left of a request's body when its answer is ready.
//!
//! A caller that is refused before its body was read is still sending. An HTTP/1.1 connection that closes then is reset, and
//! an HTTP/2 stream likewise, and the answer may be lost with it: so the rest is read, and thrown away.

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

/// So much is thrown away at most: no request that is meant well is larger.
const MOST: usize = 16 * 1024 * 1024;
/// A caller that trickles its body in does without the answer.
const WAIT: Duration = Duration::from_secs(10);

/// A body that may outlive the request's handler.
pub(super) struct Unread {
    body: Arc<Mutex<Incoming>>,
    /// Its sender waits for `100 Continue`, and sends nothing before it is told to.
    waits: bool,
}

/// The handler's hold of it, for as many bytes as the request's share allows.
struct Lent {
    body: Arc<Mutex<Incoming>>,
    share: Arc<Share>,
}

/// Why a body goes no further.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error(transparent)]
    Broken(#[from] hyper::Error),
    #[error("there is no room for what has proved nothing")]
    NoRoom,
}

impl Unread {
    /// The body for the handler, and what is left of it afterwards; nothing where nothing comes.
    pub(super) fn of(body: Incoming, headers: &HeaderMap, share: &Arc<Share>) -> (Body, Option<Self>) {
        if body.is_end_stream() {
            return (Body::new(body), None);
        }
        let waits = headers.contains_key(header::EXPECT);
        let body = Arc::new(Mutex::new(body));
        let lent = Lent { body: Arc::clone(&body), share: Arc::clone(share) };
        (Body::new(lent), Some(Self { body, waits }))
    }

    /// Reads the rest, within bounds, unless somebody still does.
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
