//! The store itself: opening, closing, and the deadline that every operation has.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::timeout;
use transom_model::{EndReason, Timestamp};

use crate::database::{Database, Operation, Row, Sql, sql};
use crate::{Cause, DatabaseUrl, Result, SchemaPlan, StoreError};

/// An operation takes microseconds to milliseconds; one that takes this long stands before a database that is down or
/// overloaded, and whoever waits is better served by an answer.
pub const OPERATION_DEADLINE: Duration = Duration::from_secs(5);

/// The durable state. Cheap to clone; every clone is the same store.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    count_end: Arc<OnceLock<CountEnd>>,
}

/// What counts a session that the store ended by itself.
pub type CountEnd = Box<dyn Fn(EndReason) + Send + Sync>;

impl Store {
    /// Connects, and brings the schema up to this program's version; refuses a newer schema that does not admit this program. Two nodes may start at once
    /// on PostgreSQL; a SQLite file has one node, which locks its data folder before it comes here.
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        Ok(Self { database: Arc::new(Database::open(url).await?), count_end: Arc::default() })
    }

    /// What [`open`](Self::open) would do to the schema. Nothing is changed, and no file is made.
    pub async fn examine(url: &DatabaseUrl) -> Result<SchemaPlan> {
        Database::examine(url).await
    }

    /// Finishes what is queued and closes every connection. Later operations answer `Unavailable`.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        self.database.check_writer()?;
        self.now().await.map(drop)
    }

    /// `sqlite` or `postgresql`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.database.kind()
    }

    /// Counts by this from now on what ends while it waits for its page, because of what ended it: nobody carries such a session.
    /// The first one given stays.
    pub fn count_ends_by(&self, count: CountEnd) {
        let _ = self.count_end.set(count);
    }

    /// What the database's clock says.
    pub async fn now(&self) -> Result<Timestamp> {
        let row = self.first(sql("SELECT now FROM clock")).await?;
        row.ok_or_else(|| StoreError::Corrupt("a clock without time".to_owned()))?.time()
    }

    /// Runs one statement that reads.
    pub(crate) async fn all(&self, sql: Sql) -> Result<Vec<Row>> {
        timeout(OPERATION_DEADLINE, self.database.read(sql)).await.map_err(|_| late())?
    }

    /// Runs one statement that looks at most one row up by a key.
    pub(crate) async fn first(&self, sql: Sql) -> Result<Option<Row>> {
        timeout(OPERATION_DEADLINE, self.database.read_one(sql)).await.map_err(|_| late())?
    }

    /// Runs an operation as one durable transaction.
    pub(crate) async fn write<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        timeout(OPERATION_DEADLINE, self.database.write(operation)).await.map_err(|_| late())?
    }

    /// As [`write`](Self::write), for what ends sessions: each is counted once that is certain.
    pub(crate) async fn write_ending<T: Send + 'static>(
        &self,
        operation: impl Operation<(T, Vec<EndReason>)>,
    ) -> Result<T> {
        let (answer, ended) = self.write(operation).await?;
        if let Some(count) = self.count_end.get() {
            ended.into_iter().for_each(count);
        }
        Ok(answer)
    }

    /// As [`write`](Self::write), for an answer that nobody is in a hurry for: many of them share a commit.
    pub(crate) async fn write_unhurried<T: Send + 'static>(&self, operation: impl Operation<T>) -> Result<T> {
        timeout(OPERATION_DEADLINE, self.database.write_unhurried(operation)).await.map_err(|_| late())?
    }

    /// Lets an operation happen, durable a moment later, before every other that is asked for from now on.
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
