//! The access path: some hypervisors serve all their consoles at one port. The gateway names the
//! one that it wants in a `CONNECT` request, and RFB follows on the same stream.
//!
//! ```text
//! CONNECT /console?ref=…&session_id=… HTTP/1.1   the gateway, with the Host that HTTP/1.1 demands
//! HTTP/1.1 200 OK                                the hypervisor, then RFB
//! ```

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_net::Stream;

/// The length limit of the answer in bytes, the same as in OpenStack's own gateway.
const MAX_ANSWER: usize = 4096;

/// Asks the hypervisor for the console. The caller sets the deadline and ensures that the path
/// contains no blanks and no control characters.
pub(super) async fn ask(mut stream: Stream, path: &str) -> Result<Stream, End> {
    let gone = |error: std::io::Error| End::new(EndReason::InstanceClosedEarly, error.kind().to_string());
    let peer = stream.tcp().and_then(|tcp| tcp.peer_addr().ok());
    let host = peer.map_or_else(|| "localhost".to_owned(), |peer| peer.to_string());
    let request = format!("CONNECT {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(gone)?;
    stream.flush().await.map_err(gone)?;
    let mut answer = Vec::new();
    let head = loop {
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if answer.len() >= MAX_ANSWER {
            return Err(refused("the answer does not end"));
        }
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await.map_err(gone)?;
        if count == 0 {
            return Err(EndReason::InstanceClosedEarly.into());
        }
        answer.extend_from_slice(&buffer[..count]);
        // The status decides. A refusal's headers may be incomplete or never arrive.
        if is_success(&answer) == Some(false) {
            let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
            return Err(refused(&String::from_utf8_lossy(&line[..line.len().min(64)])));
        }
    };
    // RFB's greeting may have arrived together with the answer.
    stream.unread(&answer[head..]);
    Ok(stream)
}

/// Returns `true` if the answer begins with `HTTP/1.x 200`, with any words after it. Returns `None`
/// while its status has not arrived.
fn is_success(answer: &[u8]) -> Option<bool> {
    const VERSION: &[u8] = b"HTTP/1.";
    const STATUS: usize = b"HTTP/1.1 200".len();
    let seen = answer.len().min(VERSION.len());
    if answer.get(..seen) != VERSION.get(..seen) {
        return Some(false);
    }
    let status = answer.get(..STATUS)?;
    Some(status.ends_with(b" 200") && matches!(answer.get(STATUS), None | Some(b' ' | b'\r')))
}

fn refused(answer: &str) -> End {
    End::new(EndReason::InstanceRefusedSession, format!("its access path: {}", answer.escape_debug()))
}
