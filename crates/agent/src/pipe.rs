//! The pipe between a local socket and the end-to-end connection. Either side may speak first, and close its half.

use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Read size is the largest lever on cost; held twice while a session lives.
const READ: usize = 32 * 1024;

/// Carries until both sides are done. A side that is lost takes the other with it, by a reset: an end that was not meant
/// must not look like one that was.
pub(crate) async fn pipe<T: AsyncRead + AsyncWrite + Unpin>(mut local: TcpStream, mut far: T) -> bool {
    let carried = tokio::io::copy_bidirectional_with_sizes(&mut local, &mut far, READ, READ).await;
    if carried.is_err() {
        reset(&local);
    }
    carried.is_ok()
}

/// Makes the socket's end a reset.
pub(crate) fn reset(local: &TcpStream) {
    // Where that fails, the socket is gone already.
    let _ = SockRef::from(local).set_linger(Some(Duration::ZERO));
}
