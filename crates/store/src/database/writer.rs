//! SQLite's writer: one thread, one connection, and many operations to one commit.
//!
//! A commit costs a flush of the disk, whatever it holds. So the writer takes all operations that wait, runs each
//! under a savepoint of one transaction, commits once, and only then answers: who gets an answer knows that it is on
//! the disk. An operation that fails is rolled back to its savepoint and does not disturb its neighbours.
//!
//! Operations without hurry wait for the next commit that somebody needs, or a moment, and cost none of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::sqlite::{File, closed, fault, fault_of_ours};
use super::{Connection, Operation};
use crate::{Cause, Result, StoreError};

/// Operations that wait while the disk is being flushed; beyond this, callers wait for a place until their deadline.
const QUEUE: usize = 1024;

/// One transaction's worth, so that the first of them is answered soon.
const MAX_BATCH: usize = 256;

/// How long an operation without hurry waits for company: on a busy node, where it matters, other commits come sooner.
const GATHER: Duration = Duration::from_millis(50);

/// The way to the writer's thread, which ends when this is dropped or closed.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    unhurried: Arc<Mutex<Unhurried>>,
    /// The disk did not take what was written last.
    failing: Arc<AtomicBool>,
    /// The thread, and the one that waits until enough have gathered.
    tasks: TaskTracker,
}

enum Message {
    Run(Box<dyn Job>),
    /// Those without hurry have waited long enough.
    Gathered,
    Close,
}

/// What runs in front of the next batch.
#[derive(Default)]
struct Unhurried {
    jobs: Vec<Box<dyn Job>>,
    /// A `Gathered` is on its way.
    announced: bool,
}

impl Writer {
    pub(super) fn start(file: File, connection: rusqlite::Connection) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let unhurried = Arc::<Mutex<Unhurried>>::default();
        let waiting = Arc::clone(&unhurried);
        let failing = Arc::<AtomicBool>::default();
        let fails = Arc::clone(&failing);
        let tasks = TaskTracker::new();
        let alive = tasks.token();
        tasks.close();
        // Its own thread: statements and flushes block, and a thread that does nothing else needs no others to wait for
        // (measured: with a hand-over for each statement, a session cost twice as much).
        std::thread::spawn(move || {
            work(&file, connection, messages, &waiting, &fails);
            drop(alive);
        });
        Self { queue, unhurried, failing, tasks }
    }

    pub(super) async fn write<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = Queued { operation: Some(operation), outcome: None, answer, needs_asker: true };
        self.queue.send(Message::Run(Box::new(job))).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// As [`write`](Self::write), for an answer that nobody is in a hurry for.
    pub(super) async fn write_unhurried<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = Queued { operation: Some(operation), outcome: None, answer, needs_asker: true };
        self.gather(Box::new(job)).await?;
        answered.await.map_err(|_| closed())?
    }

    /// Lets an operation happen before every other that is asked for from now on. Nobody waits for its answer, unless the
    /// disk did not take the last one.
    pub(super) async fn post(&self, operation: impl Operation<()>) -> Result<()> {
        if self.failing.load(Ordering::Acquire) {
            // What begins now on the strength of it would be unknown to everybody else.
            return self.write(operation).await;
        }
        let (answer, _) = oneshot::channel();
        let job = Queued { operation: Some(operation), outcome: None, answer, needs_asker: false };
        self.gather(Box::new(job)).await
    }

    /// Lets the job wait for others, unless too many wait already.
    async fn gather(&self, job: Box<dyn Job>) -> Result<()> {
        match self.try_gather(job) {
            Some(job) => self.queue.send(Message::Run(job)).await.map_err(|_| closed()),
            None => Ok(()),
        }
    }

    fn try_gather(&self, job: Box<dyn Job>) -> Option<Box<dyn Job>> {
        let mut unhurried = lock(&self.unhurried);
        if unhurried.jobs.len() >= QUEUE || self.queue.is_closed() {
            return Some(job);
        }
        unhurried.jobs.push(job);
        if !unhurried.announced {
            unhurried.announced = true;
            let queue = self.queue.clone();
            self.tasks.spawn(async move {
                tokio::time::sleep(GATHER).await;
                // Closed meanwhile: then the writer has looked by itself.
                let _ = queue.send(Message::Gathered).await;
            });
        }
        None
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Finishes what is queued.
    pub(super) async fn close(&self) {
        let _ = self.queue.send(Message::Close).await;
        self.tasks.wait().await;
    }
}

fn lock(unhurried: &Mutex<Unhurried>) -> MutexGuard<'_, Unhurried> {
    unhurried.lock().unwrap_or_else(PoisonError::into_inner)
}

fn work(
    file: &File,
    connection: rusqlite::Connection,
    mut messages: mpsc::Receiver<Message>,
    unhurried: &Mutex<Unhurried>,
    failing: &AtomicBool,
) {
    let mut connection = Some(connection);
    let mut closing = false;
    while !closing {
        let mut asked = Vec::new();
        let mut next = messages.blocking_recv();
        loop {
            match next {
                Some(Message::Run(job)) => asked.push(job),
                Some(Message::Gathered) => lock(unhurried).announced = false,
                Some(Message::Close) | None => closing = true,
            }
            if closing || asked.len() == MAX_BATCH {
                break;
            }
            let Ok(waiting) = messages.try_recv() else { break };
            next = Some(waiting);
        }
        if closing {
            messages.close();
        }
        let mut batch = std::mem::take(&mut lock(unhurried).jobs);
        batch.append(&mut asked);
        // Whoever stopped waiting was told that it did not happen; so it must not.
        batch.retain(|job| !job.is_abandoned());
        let committed = commit(file, &mut connection, &mut batch);
        let broken = batch.iter().any(|job| job.is_broken());
        match &committed {
            Ok(_) if broken => failing.store(true, Ordering::Release),
            // What changed nothing wrote nothing, and says nothing about the disk.
            Ok(changed) if *changed => failing.store(false, Ordering::Release),
            Ok(_) => {}
            Err(_) => failing.store(true, Ordering::Release),
        }
        for job in batch {
            job.answer(committed.as_ref().err());
        }
    }
}

/// Runs the batch as one transaction, and says whether it changed anything. After a failure of the transaction itself the connection is made anew: what
/// state it is in is then unknown, and the failure may be its own.
fn commit(
    file: &File,
    connection: &mut Option<rusqlite::Connection>,
    batch: &mut [Box<dyn Job>],
) -> Result<bool> {
    let mut open = connection.take().map_or_else(|| file.connect(), Ok)?;
    let before = open.total_changes();
    let committed = transact(&mut open, batch).map(|()| open.total_changes() != before);
    match &committed {
        Ok(_) => *connection = Some(open),
        Err(error) => tracing::error!(%error, "a transaction failed; the database is opened again"),
    }
    committed
}

fn transact(open: &mut rusqlite::Connection, batch: &mut [Box<dyn Job>]) -> Result<()> {
    if batch.is_empty() {
        return Ok(());
    }
    control(open, "BEGIN IMMEDIATE")?;
    if let [only] = batch {
        let succeeded = only.run(&mut Connection::Sqlite(open));
        return control(open, if succeeded { "COMMIT" } else { "ROLLBACK" });
    }
    for job in batch {
        control(open, "SAVEPOINT operation")?;
        if !job.run(&mut Connection::Sqlite(open)) {
            control(open, "ROLLBACK TO operation")?;
        }
        control(open, "RELEASE operation")?;
    }
    control(open, "COMMIT")
}

fn control(connection: &rusqlite::Connection, statement: &'static str) -> Result<()> {
    let run = connection.prepare_cached(statement).and_then(|mut statement| statement.execute([]));
    run.map(drop).map_err(fault)
}

/// An operation with whatever it returns, in a queue of many kinds.
trait Job: Send {
    /// Nobody waits any more for the answer to an operation that is done for its asker only.
    fn is_abandoned(&self) -> bool;
    /// Runs the operation and keeps the outcome; says whether it succeeded.
    fn run(&mut self, connection: &mut Connection<'_>) -> bool;
    /// The database could not do it, whatever it was.
    fn is_broken(&self) -> bool;
    /// Answers with the outcome, or with why the transaction did not happen.
    fn answer(self: Box<Self>, failure: Option<&StoreError>);
}

struct Queued<T, F> {
    operation: Option<F>,
    outcome: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
    needs_asker: bool,
}

impl<T: Send + 'static, F: Operation<T>> Job for Queued<T, F> {
    fn is_abandoned(&self) -> bool {
        self.needs_asker && self.answer.is_closed()
    }

    fn run(&mut self, connection: &mut Connection<'_>) -> bool {
        let Some(operation) = self.operation.take() else { return false };
        // It waits for nothing but its connection, and SQLite's answers at once.
        let outcome = operation(connection).now_or_never().unwrap_or_else(|| Err(fault_of_ours()));
        let succeeded = outcome.is_ok();
        self.outcome = Some(outcome);
        succeeded
    }

    fn is_broken(&self) -> bool {
        matches!(&self.outcome, Some(Err(error @ StoreError::Unavailable(_))) if !error.is_passing())
    }

    fn answer(self: Box<Self>, failure: Option<&StoreError>) {
        let outcome = match (self.outcome, failure) {
            // It failed by itself, whatever became of the others.
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(StoreError::Unavailable(Cause::new(failure.to_string()))),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(closed()),
        };
        if let (false, Err(error)) = (self.needs_asker, &outcome) {
            tracing::error!(%error, "what nobody waited for could not be written down");
        }
        let _ = self.answer.send(outcome);
    }
}
