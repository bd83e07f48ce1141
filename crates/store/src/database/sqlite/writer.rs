//! SQLite's writer: one thread and one connection, with many operations per commit.
//!
//! Every commit costs one flush of the disk, however much it contains. The writer therefore takes
//! all waiting operations, runs each under a savepoint of one transaction, commits once, and then
//! responds. A response means that the operation is on the disk. A failed operation is rolled back
//! to its savepoint and does not affect the others.
//!
//! Operations without hurry wait for the next urgent commit or for a moment, and cost no commit of
//! their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::error::{aborted, closed, store_error};
use super::file::File;
use crate::database::{Connection, Operation};
use crate::{Cause, Result, StoreError};

/// The number of operations that may wait during a flush. Further callers wait for a place in the
/// queue until their deadline.
const QUEUE: usize = 1024;

/// The number of operations in one transaction. The limit bounds the time to the first response.
const MAX_BATCH: usize = 256;

/// The time that an operation without hurry waits for others. On a busy node, urgent commits come
/// sooner.
const GATHER: Duration = Duration::from_millis(50);

/// The sender to the writer's thread. The thread ends when this is dropped or closed.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    unhurried: Arc<Mutex<Unhurried>>,
    /// True if the latest write to the disk failed.
    failing: Arc<AtomicBool>,
    /// The writer's thread and the timer for operations without hurry.
    tasks: TaskTracker,
}

enum Message {
    Run(Box<dyn Job>),
    /// The timer for operations without hurry has elapsed.
    Gathered,
    Close,
}

/// The operations that run ahead of the next batch.
#[derive(Default)]
struct Unhurried {
    jobs: Vec<Box<dyn Job>>,
    /// True if a `Gathered` is due.
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
        // A dedicated thread, because statements and flushes block. A thread hand-over for each
        // statement doubled the measured cost of a session.
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

    /// Runs an operation like [`write`](Self::write), for a caller that is not in a hurry.
    pub(super) async fn write_unhurried<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = Queued { operation: Some(operation), outcome: None, answer, needs_asker: true };
        self.gather(Box::new(job)).await?;
        answered.await.map_err(|_| closed())?
    }

    /// Queues an operation ahead of all later ones and returns at once. If the latest write failed,
    /// it waits for the result instead.
    pub(super) async fn post(&self, operation: impl Operation<()>) -> Result<()> {
        if self.failing.load(Ordering::Acquire) {
            // The caller relies on this operation, but after a failure other callers might never
            // see it.
            return self.write(operation).await;
        }
        let (answer, _) = oneshot::channel();
        let job = Queued { operation: Some(operation), outcome: None, answer, needs_asker: false };
        self.gather(Box::new(job)).await
    }

    /// Adds the job to those that wait, unless too many do.
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
                // A closed channel means that the writer has already taken the waiting jobs.
                let _ = queue.send(Message::Gathered).await;
            });
        }
        None
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Finishes the queued operations and closes the connection.
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
        // A caller that stopped waiting was told of a failure, so its operation must not run.
        batch.retain(|job| !job.is_abandoned());
        let committed = commit(file, &mut connection, &mut batch);
        let broken = batch.iter().any(|job| job.is_broken());
        match &committed {
            Ok(_) if broken => failing.store(true, Ordering::Release),
            // A batch without changes wrote nothing, so it reveals nothing about the disk.
            Ok(changed) if *changed => failing.store(false, Ordering::Release),
            Ok(_) => {}
            Err(_) => failing.store(true, Ordering::Release),
        }
        for job in batch {
            job.answer(committed.as_ref().err());
        }
    }
}

/// Runs the batch as one transaction and returns whether it changed anything. If the transaction
/// itself fails, the connection is replaced, because its state is unknown and it may be the cause.
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
        Err(error) => tracing::error!(%error, "a transaction failed; reopening the database"),
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
    run.map(drop).map_err(store_error)
}

/// An operation with any result type, so that one queue holds all kinds.
trait Job: Send {
    /// Returns whether the caller has stopped waiting for an operation that only serves that
    /// caller.
    fn is_abandoned(&self) -> bool;
    /// Runs the operation and stores the outcome. Returns whether it succeeded.
    fn run(&mut self, connection: &mut Connection<'_>) -> bool;
    /// Returns whether the database failed to execute the operation.
    fn is_broken(&self) -> bool;
    /// Responds with the outcome, or with the failure of the transaction.
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
        // The operation awaits only its connection, and SQLite responds synchronously.
        let outcome = operation(connection).now_or_never().unwrap_or_else(|| Err(aborted()));
        let succeeded = outcome.is_ok();
        self.outcome = Some(outcome);
        succeeded
    }

    fn is_broken(&self) -> bool {
        matches!(&self.outcome, Some(Err(error @ StoreError::Unavailable(_))) if !error.is_transient())
    }

    fn answer(self: Box<Self>, failure: Option<&StoreError>) {
        let outcome = match (self.outcome, failure) {
            // The operation itself failed, whatever the outcome of the others is.
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(StoreError::Unavailable(Cause::new(failure.to_string()))),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(closed()),
        };
        if let (false, Err(error)) = (self.needs_asker, &outcome) {
            tracing::error!(%error, "an operation without a waiting caller failed");
        }
        let _ = self.answer.send(outcome);
    }
}
