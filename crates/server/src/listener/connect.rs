//! The raw CONNECT of the Java viewer: `CONNECT /console?token=… HTTP/1.0` is answered directly,
//! then RFB follows.
//!
//! The answer must be exactly `HTTP/1.1 200 OK`, whatever the version in the request.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_net::Stream;
use transom_net::budget::{Notice, Permit};
use transom_net::deadline;

use super::front::Front;
use super::head::{self, ConnectHead};
use super::shed::{make_way, unless_displaced};
use transom_http::console_paths::{is_console_page, token_of};
use transom_http::error::log;
use transom_http::limits::HEAD;
use transom_http::source::{Connection, Source};

const OK: &str = "HTTP/1.1 200 OK\r\n\r\n";
const INVALID: &str = "400 Invalid Request";
const NOT_AUTHORIZED: &str = "401 Not Authorized";
const UNAVAILABLE: &str = "503 Service Unavailable";

/// The time and the number of bytes for reading from a peer that was refused and still sends.
const LINGER: Duration = Duration::from_secs(2);
const MAX_UNREAD: u64 = 2 * 1024 * 1024;

pub(super) async fn serve(
    front: &Front,
    mut stream: Stream,
    connection: Connection,
    permit: Permit,
    notice: &Notice,
) -> io::Result<()> {
    let heard = unless_displaced(notice, deadline(HEAD, head::connect_head(&mut stream))).await?;
    let Some(head) = heard else { return make_way(front, stream, permit).await };
    let presented = head.ok().and_then(|head| token_in(&head).map(|token| (token, head.user_agent)));
    let Some((token, user_agent)) = presented else {
        return refuse(front, stream, INVALID, (permit, notice)).await;
    };
    let source = Source { address: connection.peer.ip().to_canonical(), https: connection.tls };
    match front.gateway.connect(source, user_agent, &token).await {
        Ok(claim) => {
            drop(permit);
            stream.write_all(OK.as_bytes()).await?;
            front.gateway.run_raw(claim, stream).await;
            Ok(())
        }
        Err((error, request)) => {
            // A wrong token is reported where it is checked.
            log(&error, &request);
            let status = match error {
                // The token of a rate-limited viewer was not checked, so its state is unknown.
                transom_app::Error::Unavailable(_)
                | transom_app::Error::Internal(_)
                | transom_app::Error::RateLimited => UNAVAILABLE,
                transom_app::Error::End(end) if end.reason.http_status() >= 500 => UNAVAILABLE,
                _ => NOT_AUTHORIZED,
            };
            refuse(front, stream, status, (permit, notice)).await
        }
    }
}

/// Returns the token of a CONNECT to a console page.
fn token_in(head: &ConnectHead) -> Option<String> {
    let (path, query) = head.target.split_once('?')?;
    is_console_page(path).then(|| token_of(query)).flatten()
}

/// Sends the refusal, unless the connection has to make room first.
async fn refuse(
    front: &Front,
    mut stream: Stream,
    status: &str,
    (permit, notice): (Permit, &Notice),
) -> io::Result<()> {
    let told = unless_displaced(notice, tell(&mut stream, status)).await?;
    if told.is_none() {
        front.app.metrics.connections_shed.inc();
    }
    drop(permit);
    Ok(())
}

async fn tell(stream: &mut Stream, status: &str) -> io::Result<()> {
    let body = status.split_once(' ').map_or(status, |(_, words)| words);
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let sent = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    deadline(HEAD, sent).await?;
    // Closing with unread bytes would reset the connection and could lose the answer.
    deadline(LINGER, tokio::io::copy(&mut stream.take(MAX_UNREAD), &mut tokio::io::sink())).await.map(drop)
}
