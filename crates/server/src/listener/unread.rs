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

/// So much is thrown away at most: no request that is meant well is larger.
const MOST: usize = 16 * 1024 * 1024;
/// A caller that trickles its body in does without the answer.
const WAIT: Duration = Duration::from_secs(10);

/// A body that may outlive the request's handler.
pub(super) struct Unread(Arc<Mutex<Incoming>>);

/// The handler's hold of it.
struct Lent(Arc<Mutex<Incoming>>);

impl Unread {
    /// The body for the handler, and what is left of it afterwards; nothing where nothing comes. Who waits for `100 Continue`
    /// sends nothing before it is told to.
    pub(super) fn of(body: Incoming, headers: &HeaderMap) -> (Body, Option<Self>) {
        if body.is_end_stream() || headers.contains_key(header::EXPECT) {
            return (Body::new(body), None);
        }
        let body = Arc::new(Mutex::new(body));
        (Body::new(Lent(Arc::clone(&body))), Some(Self(body)))
    }

    /// Reads the rest, within bounds, unless somebody still does.
    pub(super) async fn discard(self) {
        let Some(body) = Arc::into_inner(self.0) else { return };
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
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}
