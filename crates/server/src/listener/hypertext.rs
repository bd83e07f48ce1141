//! HTTP over a connection, served by hyper until the connection ends, changes its protocol, or has
//! to make room.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use transom_net::Stream;
use transom_net::budget::{Notice, Permit};
use transom_net::deadline;

use super::front::Front;
use super::head;
use super::requests::{Admission, Requests};
use transom_http::limits::{FAREWELL, HEAD};
use transom_http::source::Connection;
use transom_http::stream::HttpStream;

/// The number of concurrent HTTP/2 streams. Each may occupy memory for a request's head and body,
/// and HTTP/2 cannot allow more to a proven caller only. A page's dozen files, or a program's
/// calls, take turns.
const STREAMS: u32 = 8;
/// The longest head by HTTP/2's count, which adds 32 bytes for each field; browsers also send each
/// cookie as a field of its own (RFC 9113 §6.5.2, §8.2.3). A head within [`head::MAX_HEAD`] may
/// therefore count up to this much. Its length in HTTP/1 is checked once it has arrived.
const MAX_HEADER_LIST: u32 = 3 * head::MAX_HEAD as u32;
/// The number of bytes that a peer may send before they are read. A whole login fits; a large body
/// takes several round trips.
const WINDOW: u32 = 16 * 1024;
/// The same limit for a whole connection. HTTP/2 allows no smaller one (RFC 9113 §6.9.2).
const CONNECTION_WINDOW: u32 = 65_535;

/// Serves HTTP/1. If there is an `answer` already, the first request gets it.
pub(super) async fn http_1(
    front: Arc<Front>,
    stream: Stream,
    connection: Connection,
    (admission, notice): (Admission, Notice),
    stop: CancellationToken,
    answer: Option<Response>,
) -> io::Result<()> {
    let shed = front.app.clone();
    let service = Requests::new(front, connection, (admission, notice.clone()), answer);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(head::MAX_HEAD);
    let serving =
        builder.serve_connection(TokioIo::new(HttpStream::new(stream, service.progress().ended())), service);
    let mut serving = std::pin::pin!(serving.with_upgrades());
    tokio::select! {
        // An answer that exists already goes out before a stop is noticed.
        biased;
        served = serving.as_mut() => return served.map_err(io::Error::other),
        () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
        () = notice.served() => {
            shed.metrics.connections_shed.inc();
            serving.as_mut().graceful_shutdown();
        }
    }
    deadline(FAREWELL, async { serving.await.map_err(io::Error::other) }).await
}

/// Serves HTTP/2.
pub(super) async fn http_2(
    front: Arc<Front>,
    stream: Stream,
    connection: Connection,
    permit: Permit,
    notice: Notice,
    stop: CancellationToken,
) -> io::Result<()> {
    let shed = front.app.clone();
    let service = Requests::new(front, connection, (Admission::half_open(permit), notice.clone()), None);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADER_LIST)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    let progress = service.progress();
    let io = TokioIo::new(HttpStream::new(stream, Arc::default()));
    let mut serving = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        served = serving.as_mut() => return served.map_err(io::Error::other),
        () = progress.overdue() => return Err(io::ErrorKind::TimedOut.into()),
        () = progress.idle() => serving.as_mut().graceful_shutdown(),
        () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
        () = notice.served() => {
            shed.metrics.connections_shed.inc();
            serving.as_mut().graceful_shutdown();
        }
    }
    deadline(FAREWELL, async { serving.await.map_err(io::Error::other) }).await
}
