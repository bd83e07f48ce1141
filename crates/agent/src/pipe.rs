//! The pipe between the near end and the end-to-end connection. Either side may speak first, and
//! may close its half.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional_with_sizes,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::local::Local;

/// The size of one read, the largest factor in cost. A session holds two such buffers.
const READ: usize = 32 * 1024;
/// The time for the far side to close its half after ours. A far side that needs longer is
/// abandoned.
const FAREWELL: Duration = Duration::from_secs(3);

/// The way in which a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ending {
    /// The near side closed it: a connector's viewer or an agent's target.
    Near = 1,
    /// The far side closed it.
    Far = 2,
    /// A connection was lost, without either side closing it.
    Dropped = 3,
    /// This end was told to stop.
    Stopped = 4,
}

impl Ending {
    /// Returns whether a new connection makes sense.
    #[must_use]
    pub fn can_reconnect(self) -> bool {
        self == Self::Dropped
    }
}

/// Copies bytes until both sides are done.
///
/// If one side is lost, the other one gets a reset, so that the loss does not look like an orderly
/// end. An orderly end is announced to both sides.
pub(crate) async fn pipe<T: AsyncRead + AsyncWrite + Unpin>(
    mut local: Local,
    mut far: T,
    stop: &CancellationToken,
) -> Ending {
    let ended = tokio::select! {
        ended = carry(&mut local, &mut far) => ended,
        () = stop.cancelled() => {
            // Both sides are told in good order.
            let _ = timeout(FAREWELL, local.shutdown()).await;
            leave(&mut far).await;
            Ok(Ending::Stopped)
        }
    };
    ended.unwrap_or_else(|_| {
        local.reset();
        Ending::Dropped
    })
}

async fn carry<T: AsyncRead + AsyncWrite + Unpin>(local: &mut Local, far: &mut T) -> io::Result<Ending> {
    let first = AtomicU8::new(0);
    let has_halves = local.has_halves();
    let mut near = EndRecorder { io: local, ending: Ending::Near, first: &first };
    let mut far = EndRecorder { io: far, ending: Ending::Far, first: &first };
    if has_halves {
        copy_bidirectional_with_sizes(&mut near, &mut far, READ, READ).await?;
    } else {
        // The reader of standard output would never see the far side's end, and so never end.
        let (mut from_near, mut to_near) = tokio::io::split(near);
        let (mut from_far, mut to_far) = tokio::io::split(&mut far);
        let there = async {
            tokio::io::copy(&mut from_near, &mut to_far).await?;
            to_far.shutdown().await?;
            std::future::pending::<io::Result<u64>>().await
        };
        let back = async {
            let carried = tokio::io::copy(&mut from_far, &mut to_near).await?;
            to_near.flush().await?;
            io::Result::Ok(carried)
        };
        tokio::select! {
            there = there => there?,
            back = back => back?,
        };
    }
    Ok(if first.load(Ordering::Relaxed) == Ending::Near as u8 { Ending::Near } else { Ending::Far })
}

/// Closes our half and waits for the other end's. Unread bytes would cause a reset, and the
/// farewell would be lost.
pub(crate) async fn leave<T: AsyncRead + AsyncWrite + Unpin>(far: &mut T) {
    let goodbye = async {
        far.shutdown().await?;
        let mut sink = [0; 1024];
        while far.read(&mut sink).await? > 0 {}
        io::Result::Ok(())
    };
    // A far side that no longer listens need not hear it.
    let _ = timeout(FAREWELL, goodbye).await;
}

/// A side of a session, which records whether it was the first to end.
struct EndRecorder<'a, T> {
    io: &'a mut T,
    ending: Ending,
    first: &'a AtomicU8,
}

impl<T: AsyncRead + Unpin> AsyncRead for EndRecorder<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut *self.io).poll_read(cx, buffer))?;
        if buffer.filled().len() == before && buffer.remaining() > 0 {
            // An earlier end stands.
            let _ = self.first.compare_exchange(0, self.ending as u8, Ordering::Relaxed, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for EndRecorder<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}
