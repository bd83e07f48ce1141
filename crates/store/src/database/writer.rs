//! SQLite's writer: one thread, one connection, and many operations to one commit.
//!
//! A commit costs a flush of the disk, whatever it holds. So the writer takes all operations that wait, runs each
//! under a savepoint of one transaction, commits once, and only then answers: who gets an answer knows that it is on
//! the disk. An operation that fails is rolled back to its savepoint and does not disturb its neighbours.

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

/// The way to the writer's thread, which ends when this is dropped or closed.
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    thread: TaskTracker,
}

enum Message {
    Run(Box<dyn Job>),
    Close,
}

impl Writer {
    pub(super) fn start(file: File, connection: rusqlite::Connection) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let thread = TaskTracker::new();
        let alive = thread.token();
        thread.close();
        // Its own thread: statements and flushes block, and a thread that does nothing else needs no others to wait for
        // (measured: with a hand-over for each statement, a session cost twice as much).
        std::thread::spawn(move || {
            work(&file, connection, messages);
            drop(alive);
        });
        Self { queue, thread }
    }

    pub(super) async fn write<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Queued { operation: Some(operation), outcome: None, answer });
        self.queue.send(Message::Run(job)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Finishes what is queued.
    pub(super) async fn close(&self) {
        let _ = self.queue.send(Message::Close).await;
        self.thread.wait().await;
    }
}

fn work(file: &File, connection: rusqlite::Connection, mut messages: mpsc::Receiver<Message>) {
    let mut connection = Some(connection);
    while let Some(Message::Run(first)) = messages.blocking_recv() {
        let mut batch = vec![first];
        let mut closing = false;
        while batch.len() < MAX_BATCH && !closing {
            match messages.try_recv() {
                Ok(Message::Run(job)) => batch.push(job),
                Ok(Message::Close) => closing = true,
                Err(_) => break,
            }
        }
        // Whoever stopped waiting was told that it did not happen; so it must not.
        batch.retain(|job| !job.is_abandoned());
        let committed = commit(file, &mut connection, &mut batch);
        for job in batch {
            job.answer(committed.as_ref().err());
        }
        if closing {
            break;
        }
    }
}

/// Runs the batch as one transaction. After a failure of the transaction itself the connection is made anew: what
/// state it is in is then unknown, and the failure may be its own.
fn commit(
    file: &File,
    connection: &mut Option<rusqlite::Connection>,
    batch: &mut [Box<dyn Job>],
) -> Result<()> {
    let mut open = connection.take().map_or_else(|| file.connect(), Ok)?;
    let committed = transact(&mut open, batch);
    match &committed {
        Ok(()) => *connection = Some(open),
        Err(error) => tracing::error!(%error, "a transaction failed; the database is opened again"),
    }
    committed
}

fn transact(open: &mut rusqlite::Connection, batch: &mut [Box<dyn Job>]) -> Result<()> {
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
    /// Nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the operation and keeps the outcome; says whether it succeeded.
    fn run(&mut self, connection: &mut Connection<'_>) -> bool;
    /// Answers with the outcome, or with why the transaction did not happen.
    fn answer(self: Box<Self>, failure: Option<&StoreError>);
}

struct Queued<T, F> {
    operation: Option<F>,
    outcome: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send + 'static, F: Operation<T>> Job for Queued<T, F> {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(&mut self, connection: &mut Connection<'_>) -> bool {
        let Some(operation) = self.operation.take() else { return false };
        // It waits for nothing but its connection, and SQLite's answers at once.
        let outcome = operation(connection).now_or_never().unwrap_or_else(|| Err(fault_of_ours()));
        let succeeded = outcome.is_ok();
        self.outcome = Some(outcome);
        succeeded
    }

    fn answer(self: Box<Self>, failure: Option<&StoreError>) {
        let outcome = match (self.outcome, failure) {
            // It failed by itself, whatever became of the others.
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(StoreError::Unavailable(Cause::new(failure.to_string()))),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(closed()),
        };
        let _ = self.answer.send(outcome);
    }
}
