//! A session between two devices: each side gets the other's bytes, read no faster than it takes
//! them.

use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use transom_net::Stream;

use super::one_way::OneWay;
use super::pace::Pace;

/// The limits of a session.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// The rate in bytes a second, over both directions together; 0 for no limit.
    pub(super) limit: u32,
    /// The silence that ends the session; `None` for no limit.
    pub(super) idle: Option<Duration>,
    /// The longest duration; `None` for no limit.
    pub(super) longest: Option<Duration>,
}

/// The end of a session, and the bytes that it carried.
#[derive(Debug)]
pub(super) struct Carried {
    /// The kind of end: `closed`, `lost`, `cut`, `idle` or `too-long`.
    pub(super) how: &'static str,
    pub(super) to_agent: u64,
    pub(super) to_connector: u64,
}

/// Carries until both sides are done, one is lost, or the session is cut. If one side is lost, the
/// other sees its connection lost as well.
pub(super) async fn carry(
    mut agent: Stream,
    mut connector: Stream,
    cut: CancellationToken,
    terms: Terms,
) -> Carried {
    let counts = Counts::default();
    let how = tokio::select! {
        () = cut.cancelled() => "cut",
        () = silence(&counts, terms.idle) => "idle",
        () = after(terms.longest) => "too-long",
        passed = pass(&mut agent, &mut connector, &counts, Pace::of(terms.limit)) => match passed {
            Ok(()) => "closed",
            Err(_) => "lost",
        },
    };
    if how != "closed" {
        agent.reset();
        connector.reset();
    }
    let count = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
    Carried { how, to_agent: count(&counts.to_agent), to_connector: count(&counts.to_connector) }
}

#[derive(Default)]
struct Counts {
    to_agent: AtomicU64,
    to_connector: AtomicU64,
}

impl Counts {
    fn sum(&self) -> u64 {
        self.to_agent.load(Ordering::Relaxed) + self.to_connector.load(Ordering::Relaxed)
    }
}

/// Moves both directions.
async fn pass(
    agent: &mut Stream,
    connector: &mut Stream,
    counts: &Counts,
    mut pace: Option<Pace>,
) -> io::Result<()> {
    let (mut up, mut down) = (OneWay::default(), OneWay::default());
    both(|cx| {
        let up = up.poll(cx, connector, agent, &counts.to_agent, &mut pace)?;
        let down = down.poll(cx, agent, connector, &counts.to_connector, &mut pace)?;
        Poll::Ready(Ok((up, down)))
    })
    .await
}

/// Polls both directions until both are done. They may end far apart, since each side can close its
/// half alone.
async fn both(
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<(Poll<()>, Poll<()>)>>,
) -> io::Result<()> {
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(Ok((Poll::Ready(()), Poll::Ready(())))) => Poll::Ready(Ok(())),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        _ => Poll::Pending,
    })
    .await
}

/// Waits until a whole period of this length passes without a byte.
async fn silence(counts: &Counts, limit: Option<Duration>) {
    let Some(limit) = limit else { return std::future::pending().await };
    let mut before = None;
    while before != Some(counts.sum()) {
        before = Some(counts.sum());
        sleep(limit).await;
    }
}

async fn after(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}
