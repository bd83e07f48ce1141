//! SQLite's writer: one thread, one connection, and many operations to one commit.
//!
//! A commit costs a flush of the disk, whatever it holds. So the writer takes all operations that wait, runs each
//! under a savepoint of one transaction, commits once, and only then answers: who gets an answer knows that it is on
//! the disk. An operation that fails is rolled back to its savepoint and does not disturb its neighbours.

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::Operation;
use super::connection::{Connection, fault};
use super::sqlite::connect;
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
    pub(super) fn start(options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let (thread, runtime) = (TaskTracker::new(), Handle::current());
        let alive = thread.token();
        thread.close();
        // Not a task: it waits for SQLite's own thread several times per operation, and a thread that does nothing else
        // wakes up sooner than a task that queues behind the sessions' (measured: half the time under load).
        std::thread::spawn(move || {
            runtime.block_on(work(options, connection, messages));
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

fn closed() -> StoreError {
    StoreError::Unavailable(Cause::new("the database is closed"))
}

async fn work(
    options: SqliteConnectOptions,
    connection: SqliteConnection,
    mut messages: mpsc::Receiver<Message>,
) {
    let mut connection = Some(connection);
    while let Some(Message::Run(first)) = messages.recv().await {
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
        let committed = commit(&options, &mut connection, &mut batch).await;
        for job in batch {
            job.answer(committed.as_ref().err());
        }
        if closing {
            break;
        }
    }
    if let Some(connection) = connection {
        let _ = connection.close().await;
    }
}

/// Runs the batch as one transaction. After a failure of the transaction itself the connection is made anew: what
/// state it is in is then unknown, and the failure may be its own.
async fn commit(
    options: &SqliteConnectOptions,
    connection: &mut Option<SqliteConnection>,
    batch: &mut [Box<dyn Job>],
) -> Result<()> {
    let mut open = match connection.take() {
        Some(connection) => connection,
        None => connect(options).await?,
    };
    let transaction = async {
        if let [only] = batch {
            run(&mut open, "BEGIN IMMEDIATE").await?;
            let succeeded = only.run(&mut Connection::Sqlite(&mut open)).await;
            return run(&mut open, if succeeded { "COMMIT" } else { "ROLLBACK" }).await;
        }
        run(&mut open, "BEGIN IMMEDIATE; SAVEPOINT operation").await?;
        let mut succeeded = true;
        for (number, job) in batch.iter_mut().enumerate() {
            match (number, succeeded) {
                (0, _) => {}
                (_, true) => run(&mut open, "RELEASE operation; SAVEPOINT operation").await?,
                // The savepoint stays, for the next one.
                (_, false) => run(&mut open, "ROLLBACK TO operation").await?,
            }
            succeeded = job.run(&mut Connection::Sqlite(&mut open)).await;
        }
        run(&mut open, if succeeded { "COMMIT" } else { "ROLLBACK TO operation; COMMIT" }).await
    };
    let committed = transaction.await;
    match &committed {
        Ok(()) => *connection = Some(open),
        Err(error) => tracing::error!(%error, "a transaction failed; the database is opened again"),
    }
    committed
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    connection.execute(sql).await.map(drop).map_err(fault)
}

/// An operation with whatever it returns, in a queue of many kinds.
trait Job: Send {
    /// Nobody waits for the answer any more.
    fn is_abandoned(&self) -> bool;
    /// Runs the operation and keeps the outcome; says whether it succeeded.
    fn run<'a>(&'a mut self, connection: &'a mut Connection<'_>) -> BoxFuture<'a, bool>;
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

    fn run<'a>(&'a mut self, connection: &'a mut Connection<'_>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(operation) = self.operation.take() else { return false };
            let outcome = operation(connection).await;
            let succeeded = outcome.is_ok();
            self.outcome = Some(outcome);
            succeeded
        })
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
