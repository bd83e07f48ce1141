//! PostgreSQL: a connection pool, and transactions that run again when the database requests it.

pub(super) mod statement;

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use statement::{all, store_error};

use super::{Connection, Operation, Row, SchemaPlan, Sql, schema};
use crate::{Cause, Result, StoreError};

/// The number of connections per node. Transactions take about a millisecond, so these serve
/// thousands per second and leave room for several nodes within PostgreSQL's default of 100
/// connections.
const CONNECTIONS: u32 = 16;

/// Shorter than an operation's deadline, so that the error names the full pool as the cause.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Shorter than an operation's deadline, so that PostgreSQL stops statements whose callers have
/// given up.
const STATEMENT_TIMEOUT: &str = "4s";

/// The limit on an idle transaction, because one left open by a failed node would hold its locks.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "10s";

/// The idle time up to which a connection is used without a test.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// The time that PostgreSQL has to respond at start. After it, the operator gets an error.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for migrations. Migrating a large table, or waiting for another node's migration, may
/// take minutes.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(600);

/// The number of attempts at a transaction. A deadlock or serialization failure resolves when one
/// of the transactions runs again. More frequent failures mean overload, which further attempts
/// would increase.
const MAX_ATTEMPTS: u32 = 5;

/// A PostgreSQL database.
pub(crate) struct Postgres {
    pool: PgPool,
}

impl Postgres {
    pub(super) async fn open(options: PgConnectOptions) -> Result<Self> {
        let options = quiet(options);
        migrate(&options).await?;
        let options = options.options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
            // After waiting for a row's lock, a statement must see the row's new version rather
            // than fail; see `reserve`.
            ("default_transaction_isolation", "read committed"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    pub(super) async fn read(&self, sql: Sql) -> Result<Vec<Row>> {
        let mut connection = self.pool.acquire().await.map_err(store_error)?;
        all(&mut connection, sql).await
    }

    pub(super) async fn write<T>(&self, operation: impl Operation<T>) -> Result<T> {
        let mut attempt = 1;
        loop {
            match self.attempt(operation.clone()).await {
                Err(error) if error.is_transient() && attempt < MAX_ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn attempt<T>(&self, operation: impl Operation<T>) -> Result<T> {
        let mut transaction = self.pool.begin().await.map_err(store_error)?;
        // Dropping the transaction on an early return rolls it back.
        let outcome = operation(&mut Connection::Postgres(&mut transaction)).await?;
        transaction.commit().await.map_err(store_error)?;
        Ok(outcome)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

fn quiet(options: PgConnectOptions) -> PgConnectOptions {
    let options = options.application_name("transom").disable_statement_logging();
    // Suppresses notices, such as that a table already exists.
    options.options([("client_min_messages", "warning")])
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connecting = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await;
    connecting.map_err(|_| late("it does not answer"))?.map_err(store_error)
}

/// Returns the schema changes that opening the database would make.
pub(super) async fn examine(options: PgConnectOptions) -> Result<SchemaPlan> {
    let options = quiet(options).options([("default_transaction_read_only", "on")]);
    let mut connection = connect(&options).await?;
    let examining = timeout(CONNECT_TIMEOUT, schema::examine_postgres(&mut connection)).await;
    let plan = examining.map_err(|_| late("it does not answer"))??;
    connection.close().await.map_err(store_error)?;
    Ok(plan)
}

async fn migrate(options: &PgConnectOptions) -> Result<()> {
    let mut connection = connect(options).await?;
    let migrating = timeout(MIGRATION_DEADLINE, schema::migrate_postgres(&mut connection)).await;
    migrating.map_err(|_| late("the migration of its schema timed out"))??;
    connection.close().await.map_err(store_error)
}

fn late(what: &str) -> StoreError {
    StoreError::Unavailable(Cause::new(what))
}
