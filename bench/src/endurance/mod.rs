//! Endurance: for minutes, thousands of sessions are idle, hundreds are active, and others come and
//! go. No session may be lost, the active ones must not become slow, and memory must not grow.

mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, interval_at, sleep_until};

use crate::guest::Guest;
use crate::peer::{Kind, Peer, Programs};
use crate::viewer::Door;
use crate::{note, say};
use session::Session;

/// The pause between events of an active session, like those of a working person.
const EVENT_EVERY: Duration = Duration::from_secs(1);
/// The duration of the unloaded measurement; 200 active sessions give 6,000 events.
const ALONE: Duration = Duration::from_secs(30);
/// The duration of a session that comes and goes.
const STAY: Duration = Duration::from_secs(1);
/// The number of sessions that are opened at once before the measurement begins.
const AT_ONCE: usize = 32;
/// The time until the memory at the start is representative: pools are filled, and sessions come
/// and go.
const SETTLE: Duration = Duration::from_secs(20);
/// The factor by which nearly all events may be slower than those of the active sessions alone.
const SLOWER: f64 = 3.0;
/// The factor by which memory may grow, besides [`SLACK_KIB`] for the allocator and the database's
/// cache.
const GROWTH: f64 = 1.03;
const SLACK_KIB: f64 = 4096.0;

/// The load and its duration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) idle: usize,
    pub(crate) active: usize,
    /// New sessions a second.
    pub(crate) arrivals: usize,
    pub(crate) length: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self { idle: 9000, active: 200, arrivals: 100, length: Duration::from_secs(600) }
    }
}

/// A watch on the events of sessions.
#[derive(Clone)]
struct Watch {
    latencies: mpsc::UnboundedSender<Duration>,
    lost: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
}

impl Watch {
    /// Counts a session that ended unexpectedly, or that did not even begin.
    fn lose(&self, which: &str, error: &anyhow::Error) {
        // Only the first few errors are printed.
        if self.lost.fetch_add(1, Ordering::Relaxed) < 5 {
            note(&format!("{which} session was lost: {error:#}"));
        }
    }
}

/// Prints figures and a verdict, and returns the verdict.
pub(crate) fn run(programs: &Programs, plan: Plan) -> Result<bool> {
    let guest = Guest::start()?;
    let peer = Peer::start(Kind::Transom, programs, guest.address)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(endure(&peer, plan))
}

async fn endure(peer: &Peer, plan: Plan) -> Result<bool> {
    let (latencies, mut timed) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let watch = Watch { latencies, lost: Arc::default(), stop: stopped };
    let (mut sessions, door) = (JoinSet::new(), peer.door.clone());

    for viewer in open(&door, plan.active, 0).await? {
        let own = watch.clone();
        sessions.spawn(active(viewer, own));
    }
    note(&format!("{} active sessions alone for {} s", plan.active, ALONE.as_secs()));
    sleep_until((Instant::now() + ALONE).into()).await;
    let alone = Spread::of(&mut timed)?;

    note(&format!("opening {} idle sessions", plan.idle));
    let came = Arc::<AtomicUsize>::default();
    let (opened, open) = oneshot::channel();
    let load = Load { door, plan, watch: watch.clone(), came: Arc::clone(&came) };
    let load = thread::Builder::new().name("load".to_owned()).spawn(move || load.run(opened))?;
    // A dropped sender means failure. The thread's result tells the cause.
    if open.await.is_err() {
        return load.join().map_err(|_| anyhow!("the load's thread panicked"))?.map(|()| false);
    }
    sleep_until((Instant::now() + SETTLE).into()).await;
    let _ = Spread::of(&mut timed);

    let (began, before) = (Instant::now(), peer.tree.pss()?);
    let (cpu, came_before) = (peer.tree.cpu()?, came.load(Ordering::Relaxed));
    note(&format!("all sessions for {} s", plan.length.as_secs()));
    sleep_until((began + plan.length).into()).await;
    let (after, spent) = (peer.tree.pss()?, peer.tree.cpu()? - cpu);
    let loaded = Spread::of(&mut timed)?;
    let descriptors = peer.tree.descriptors()?;
    let came = came.load(Ordering::Relaxed) - came_before;
    let lost = watch.lost.load(Ordering::Relaxed);
    stop.send_replace(true);
    while sessions.join_next().await.is_some() {}
    load.join().map_err(|_| anyhow!("the load's thread panicked"))??;

    let expected = plan.arrivals as u64 * plan.length.as_secs();
    say("| | figure | must be | |\n|---|---|---|---|")?;
    let judge = |what: &str, figure: String, limit: String, holds: bool| {
        say(&format!("| {what} | {figure} | {limit} | {} |", if holds { "ok" } else { "**missed**" }))?;
        Ok::<_, anyhow::Error>(holds)
    };
    let slower = loaded.p99 / alone.p99;
    let held = [
        judge("sessions lost", lost.to_string(), "0".to_owned(), lost == 0)?,
        judge(
            "sessions that came and went",
            came.to_string(),
            format!("≥ {}", expected * 98 / 100),
            came as u64 >= expected * 98 / 100,
        )?,
        judge(
            "event p99, loaded ÷ alone",
            format!("{slower:.2} ({:.0} µs ÷ {:.0} µs)", loaded.p99, alone.p99),
            format!("≤ {SLOWER}"),
            slower <= SLOWER,
        )?,
        judge(
            "memory, PSS KiB",
            format!("{before:.0} → {after:.0}"),
            format!("≤ {:.0}", before * GROWTH + SLACK_KIB),
            after <= before * GROWTH + SLACK_KIB,
        )?,
    ];
    say(&format!("| event p50, loaded; alone | {:.0} µs; {:.0} µs | | |", loaded.p50, alone.p50))?;
    say(&format!("| events timed, loaded; alone | {}; {} | | |", loaded.count, alone.count))?;
    let share = spent / plan.length.as_secs_f64();
    say(&format!("| the server's processors; descriptors | {share:.2}; {descriptors} | | |"))?;
    let holds = held.iter().all(|held| *held);
    say(if holds { "all limits are met" } else { "**a limit is exceeded**" })?;
    Ok(holds)
}

/// The idle sessions, and those that come and go. They have a thread and a runtime of their own, so
/// that the active sessions time the gateway and never wait for another viewer's work in this
/// process.
struct Load {
    door: Door,
    plan: Plan,
    watch: Watch,
    came: Arc<AtomicUsize>,
}

impl Load {
    /// Runs until the watch stops it, and reports when all idle sessions are open.
    fn run(self, opened: oneshot::Sender<()>) -> Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async move {
            let Self { door, plan, watch, came } = self;
            let mut idle_sessions = JoinSet::new();
            for viewer in open(&door, plan.idle, plan.active).await? {
                idle_sessions.spawn(idle(viewer, watch.clone()));
            }
            let _ = opened.send(());
            arrive(door, plan.active + plan.idle, plan.arrivals, watch, came).await;
            while idle_sessions.join_next().await.is_some() {}
            Ok(())
        })
    }
}

/// Opens this many sessions, several at once.
async fn open(door: &Door, count: usize, first: usize) -> Result<Vec<Session>> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = JoinSet::new();
    for number in first..first + count {
        let (door, permits) = (door.clone(), Arc::clone(&permits));
        opening.spawn(async move {
            let _permit = permits.acquire().await?;
            Session::open(&door, number).await
        });
    }
    let mut open = Vec::with_capacity(count);
    while let Some(opened) = opening.join_next().await {
        open.push(opened?.with_context(|| format!("after {} sessions", open.len()))?);
    }
    Ok(open)
}

/// Keeps a session idle: discards all data, and answers the gateway's pings.
async fn idle(mut session: Session, mut watch: Watch) {
    tokio::select! {
        _ = watch.stop.changed() => {}
        Err(error) = session.hold() => watch.lose("an idle", &error),
    }
}

/// Sends an event each second, and times its answer.
async fn active(mut session: Session, mut watch: Watch) {
    // The sessions send at different moments.
    let phase = Duration::from_millis(session.number as u64 * 997 % 1000);
    let mut due = interval_at((Instant::now() + phase).into(), EVENT_EVERY);
    let mut stop = watch.stop.clone();
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            held = session.hold() => match held {
                Err(error) => return watch.lose("an active", &error),
                Ok(never) => match never {},
            },
            _ = due.tick() => {}
        }
        // The time runs from the sending and not from the schedule: a timer's own resolution is a
        // millisecond, several times as long as an event.
        let at = Instant::now();
        let answered = tokio::select! {
            _ = watch.stop.changed() => return,
            answered = session.event() => answered,
        };
        match answered {
            Ok(()) => drop(watch.latencies.send(at.elapsed())),
            Err(error) => return watch.lose("an active", &error),
        }
    }
}

/// Opens sessions at a steady rate. Each does something and leaves.
async fn arrive(door: Door, first: usize, each_second: usize, watch: Watch, came: Arc<AtomicUsize>) {
    if each_second == 0 {
        return;
    }
    let mut due = interval(Duration::from_secs(1) / u32::try_from(each_second).unwrap_or(u32::MAX));
    // A short delay is made up for, to reach the intended number per second.
    due.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut guests, mut stop, mut number) = (JoinSet::new(), watch.stop.clone(), first);
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            _ = due.tick() => {}
        }
        number += 1;
        let (door, watch, came) = (door.clone(), watch.clone(), Arc::clone(&came));
        guests.spawn(async move {
            let visit = async {
                let mut session = Session::open(&door, number).await?;
                session.event().await?;
                tokio::select! {
                    held = session.hold() => match held? {},
                    () = sleep_until((Instant::now() + STAY).into()) => {}
                }
                session.leave().await
            };
            match visit.await {
                Ok(()) => drop(came.fetch_add(1, Ordering::Relaxed)),
                Err(error) => watch.lose("a new", &error),
            }
        });
        while guests.try_join_next().is_some() {}
    }
    while guests.join_next().await.is_some() {}
}

/// Latencies in microseconds.
struct Spread {
    p50: f64,
    p99: f64,
    count: usize,
}

impl Spread {
    /// Summarizes all latencies since the last call.
    fn of(timed: &mut mpsc::UnboundedReceiver<Duration>) -> Result<Self> {
        let mut all = Vec::new();
        while let Ok(latency) = timed.try_recv() {
            all.push(latency);
        }
        ensure!(!all.is_empty(), "no event was answered");
        all.sort_unstable();
        let at = |share: usize| all[(all.len() - 1) * share / 100].as_secs_f64() * 1e6;
        Ok(Self { p50: at(50), p99: at(99), count: all.len() })
    }
}
