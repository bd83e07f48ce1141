//! A viewer's WebSocket on a connection of its own, answered without hyper, like the raw CONNECT.
//!
//! Such a connection carries this one request, and then belongs to the gateway. hyper serves a
//! request that is incomplete after the first read or that is not the first of its connection, and
//! sends all refusals in HTTP. Both ways share the gateway's decision.

use std::io;
use std::sync::Arc;

use axum::response::IntoResponse as _;
use http::{HeaderMap, StatusCode, Version};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use transom_net::Stream;
use transom_net::budget::{Notice, Permit};

use super::front::{Front, holder, sender};
use super::head::{self, UpgradeHead};
use super::hypertext::http_1;
use super::requests::{Admission, last};
use transom_app::random;
use transom_gateway::entrance::{Decision, Next};
use transom_http::console_paths::is_console_socket;
use transom_http::limits::{ANSWER, FAREWELL};
use transom_http::seat::Seat;
use transom_http::source::{Connection, Source};
use transom_http::upgrade::Switched;
use transom_http::{REQUEST_ID, put_id};

/// Returns the request at the front of the stream if it asks for a console's WebSocket.
pub(super) fn request(stream: &Stream) -> Option<UpgradeHead> {
    head::parse_upgrade(stream.ahead()).filter(|head| is_console_socket(head.request.uri().path()))
}

/// Answers the request. Returns the WebSocket's purpose and stream, or `None` if the connection
/// stayed HTTP or ended.
pub(super) async fn serve(
    front: &Arc<Front>,
    mut stream: Stream,
    head: UpgradeHead,
    connection: Connection,
    permit: Permit,
    notice: Notice,
    stop: CancellationToken,
) -> io::Result<Option<(Next, Switched)>> {
    let UpgradeHead { request, len } = head;
    let source = Source::read(connection, request.headers(), &front.app.config().http);
    let (own, sender) = (holder(front, connection.peer), sender(front, connection.peer, source));
    let Some(admission) = Admission::http(front, sender, &notice) else {
        // Too many connections are open, so the answer is an HTTP error. A proxy's connection may
        // itself still be admitted when its client is not.
        let full = (own != sender).then(|| {
            front.app.metrics.connections_shed.inc();
            last(transom_api::overloaded(&front.app, request.uri().path()), Version::HTTP_11)
        });
        let admission = (Admission::half_open(permit), notice);
        return Box::pin(http_1(Arc::clone(front), stream, connection, admission, stop, full))
            .await
            .map(|()| None);
    };
    drop(permit);
    let id = random::request_id();
    // The decision needs more memory than the session after it, so it is boxed.
    let deciding = Box::pin(front.gateway.decide(source, &id, request.uri(), request.headers()));
    let decided = tokio::select! {
        decided = timeout(ANSWER, deciding) => decided,
        () = over(&stop) => return Err(io::ErrorKind::TimedOut.into()),
    };
    match decided.unwrap_or_else(|_| Decision::Refuse(StatusCode::REQUEST_TIMEOUT.into_response())) {
        Decision::Switch(headers, next) => {
            drop(request);
            stream.skip(len);
            let switched = Switched { stream, answer: switching(&headers) };
            if let Next::Carry(..) = next {
                return Ok(Some((next, switched)));
            }
            let refused = Box::pin(front.gateway.run_websocket(next, switched));
            if !Seat::new(admission, notice).hold_during(refused).await {
                front.app.metrics.connections_shed.inc();
            }
            Ok(None)
        }
        Decision::Refuse(mut response) => {
            if !response.headers().contains_key(REQUEST_ID) {
                put_id(response.headers_mut(), &id);
            }
            let admission = (admission, notice);
            Box::pin(http_1(Arc::clone(front), stream, connection, admission, stop, Some(response)))
                .await
                .map(|()| None)
        }
    }
}

/// Waits until the server stops, and then for as long as an answer on its way may take.
async fn over(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(FAREWELL).await;
}

/// Returns the answer that ends HTTP on the connection.
fn switching(headers: &HeaderMap) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    for (name, value) in headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    answer.extend_from_slice(b"\r\n");
    answer
}
