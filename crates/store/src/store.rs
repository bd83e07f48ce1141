//! The store: opening, closing, and the deadline of every operation.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::timeout;
use transom_model::{EndReason, Timestamp};

use crate::database::{Database, Operation, Row, Sql, sql};
use crate::{Cause, DatabaseUrl, Result, SchemaPlan, StoreError};

/// The deadline of an operation.
///
/// Operations normally take microseconds to milliseconds. If one takes this long, the database is
/// down or overloaded, and an error serves the caller better than a longer wait.
pub const OPERATION_DEADLINE: Duration = Duration::from_secs(5);

/// The deadline of an import, which changes thousands of rows. It is shorter than the time in which
/// the server answers.
pub(crate) const IMPORT_DEADLINE: Duration = Duration::from_secs(20);

/// The durable state. Clones are cheap and refer to the same store.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    count_end: Arc<OnceLock<CountEnd>>,
}

/// A function that counts a session which the store ended.
pub type CountEnd = Box<dyn Fn(EndReason) + Send + Sync>;

impl Store {
    /// Connects to the database and migrates its schema to this program's version. Refuses a newer
    /// schema that does not admit this program. On PostgreSQL, two nodes may start at once. A
    /// SQLite file has one node, which must lock its data folder before this call.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        Ok(Self { database: Arc::new(Database::open(url).await?), count_end: Arc::default() })
    }

    /// Returns the schema changes that [`open`](Self::open) would make. Changes nothing and creates
    /// no file.
    pub async fn examine(url: &DatabaseUrl) -> Result<SchemaPlan> {
        Database::examine(url).await
    }

    /// Finishes queued operations and closes every connection. Later operations return
    /// `Unavailable`.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Checks that the database responds.
    pub async fn ping(&self) -> Result<()> {
        self.database.check_writer()?;
        self.now().await.map(drop)
    }

    /// `sqlite` or `postgresql`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.database.kind()
    }

    /// Sets the function that counts sessions which the store ends while they wait for their pages.
    /// No node carries such a session. Only the first call has an effect.
    pub fn count_ends_by(&self, count: CountEnd) {
        let _ = self.count_end.set(count);
    }

    /// Returns the time by the database's clock.
    pub async fn now(&self) -> Result<Timestamp> {
        let row = self.first(sql("SELECT now FROM clock")).await?;
        row.ok_or_else(|| StoreError::Corrupt("a clock without time".to_owned()))?.time()
    }

    /// Runs one statement that reads.
    pub(crate) async fn all(&self, sql: Sql) -> Result<Vec<Row>> {
        timeout(OPERATION_DEADLINE, self.database.read(sql)).await.map_err(|_| late())?
    }

    /// Runs one statement that looks up at most one row by a key.
    pub(crate) async fn first(&self, sql: Sql) -> Result<Option<Row>> {
        timeout(OPERATION_DEADLINE, self.database.read_one(sql)).await.map_err(|_| late())?
    }

    /// Runs an operation as one durable transaction.
    pub(crate) async fn write<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        self.write_within(OPERATION_DEADLINE, operation).await
    }

    async fn write_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        operation: impl Operation<T>,
    ) -> Result<T> {
        timeout(deadline, self.database.write(operation)).await.map_err(|_| late())?
    }

    /// Runs an operation like [`write`](Self::write), and counts the sessions that it ended once
    /// the commit is certain.
    pub(crate) async fn write_ending<T: Send + 'static>(
        &self,
        operation: impl Operation<(T, Vec<EndReason>)>,
    ) -> Result<T> {
        self.write_ending_within(OPERATION_DEADLINE, operation).await
    }

    /// Runs an operation like [`write_ending`](Self::write_ending), with another deadline.
    pub(crate) async fn write_ending_within<T: Send + 'static>(
        &self,
        deadline: Duration,
        operation: impl Operation<(T, Vec<EndReason>)>,
    ) -> Result<T> {
        let (answer, ended) = self.write_within(deadline, operation).await?;
        if let Some(count) = self.count_end.get() {
            ended.into_iter().for_each(count);
        }
        Ok(answer)
    }

    /// Runs an operation like [`write`](Self::write), for a caller that is not in a hurry. Many
    /// such operations share a commit.
    pub(crate) async fn write_unhurried<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        timeout(OPERATION_DEADLINE, self.database.write_unhurried(operation)).await.map_err(|_| late())?
    }

    /// Queues an operation ahead of all later ones and returns before it is durable.
    pub(crate) async fn post(&self, operation: impl Operation<()>) -> Result<()> {
        timeout(OPERATION_DEADLINE, self.database.post(operation)).await.map_err(|_| late())?
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.kind())
    }
}

fn late() -> StoreError {
    StoreError::Unavailable(Cause::new("it did not answer in time"))
}
