//! PostgreSQL: a pool of connections, and transactions that run again where the database asks for it.

use std::time::Duration;

use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::sql::Value;
use super::{Connection, Operation, Row, SchemaPlan, Sql, schema};
use crate::{Cause, Result, StoreError};

/// Per node. Transactions take about a millisecond, so this carries thousands a second and leaves PostgreSQL's default
/// of 100 connections to several nodes.
const CONNECTIONS: u32 = 16;

/// Shorter than an operation's deadline, so that a full pool is named as the cause.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Shorter than an operation's deadline, so that PostgreSQL itself stops what nobody waits for any more.
const STATEMENT_TIMEOUT: &str = "4s";

/// A transaction that is left open by a broken node would hold its locks.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "10s";

/// A connection that was used this recently still lives; an older one is tried before it is handed out.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// A PostgreSQL that takes longer to answer at start is not there, and the operator should read so.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Migrations of a large table may take minutes, and another node may be at it.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(600);

/// Deadlocks and serialization failures resolve themselves when one of the two runs again; more often than this is
/// overload, and running again would add to it.
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
            // What waits for a row's lock must then see the row as it is, not fail: see `reserve`.
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
        let mut connection = self.pool.acquire().await.map_err(fault)?;
        all(&mut connection, sql).await
    }

    pub(super) async fn write<T>(&self, operation: impl Operation<T>) -> Result<T> {
        let mut attempt = 1;
        loop {
            match self.attempt(operation.clone()).await {
                Err(error) if error.is_passing() && attempt < MAX_ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn attempt<T>(&self, operation: impl Operation<T>) -> Result<T> {
        let mut transaction = self.pool.begin().await.map_err(fault)?;
        // Where this returns early, dropping the transaction rolls it back.
        let outcome = operation(&mut Connection::Postgres(&mut transaction)).await?;
        transaction.commit().await.map_err(fault)?;
        Ok(outcome)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Every row of the answer.
pub(super) async fn all(connection: &mut PgConnection, sql: Sql) -> Result<Vec<Row>> {
    let rows = query(sql).fetch_all(connection).await.map_err(fault)?;
    Ok(rows.into_iter().map(Row::from).collect())
}

/// The first row of the answer.
pub(super) async fn first(connection: &mut PgConnection, sql: Sql) -> Result<Option<Row>> {
    Ok(query(sql).fetch_optional(connection).await.map_err(fault)?.map(Row::from))
}

/// How many rows were changed.
pub(super) async fn run(connection: &mut PgConnection, sql: Sql) -> Result<u64> {
    Ok(query(sql).execute(connection).await.map_err(fault)?.rows_affected())
}

fn query(sql: Sql) -> Query<'static, sqlx::Postgres, PgArguments> {
    // The text is made of our own literals: see `Sql`.
    let query = sqlx::query(AssertSqlSafe(sql.text));
    sql.values.into_iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
        Value::Bool(value) => query.bind(value),
    })
}

fn quiet(options: PgConnectOptions) -> PgConnectOptions {
    let options = options.application_name("transom").disable_statement_logging();
    // That a table is there already is no news to anybody.
    options.options([("client_min_messages", "warning")])
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let connecting = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options)).await;
    connecting.map_err(|_| late("it does not answer"))?.map_err(fault)
}

/// What opening it would do to its schema.
pub(super) async fn examine(options: PgConnectOptions) -> Result<SchemaPlan> {
    let options = quiet(options).options([("default_transaction_read_only", "on")]);
    let mut connection = connect(&options).await?;
    let examining = timeout(CONNECT_TIMEOUT, schema::examine_postgres(&mut connection)).await;
    let plan = examining.map_err(|_| late("it does not answer"))??;
    connection.close().await.map_err(fault)?;
    Ok(plan)
}

async fn migrate(options: &PgConnectOptions) -> Result<()> {
    let mut connection = connect(options).await?;
    let migrating = timeout(MIGRATION_DEADLINE, schema::migrate_postgres(&mut connection)).await;
    migrating.map_err(|_| late("its schema was not brought up to date in time"))??;
    connection.close().await.map_err(fault)
}

fn late(what: &str) -> StoreError {
    StoreError::Unavailable(Cause::new(what))
}

/// What an error of PostgreSQL's means to us. Only its message and code are kept: its details quote rows.
fn fault(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(error) = error else {
        return StoreError::Unavailable(Cause::new(error.to_string()));
    };
    match error.kind() {
        ErrorKind::UniqueViolation => StoreError::Conflict("it exists already"),
        ErrorKind::ForeignKeyViolation => StoreError::NotFound("what it belongs to"),
        _ => StoreError::Unavailable(cause(&*error)),
    }
}

fn cause(error: &dyn DatabaseError) -> Cause {
    let code = error.code().unwrap_or_default();
    // PostgreSQL, Appendix A: serialization_failure and deadlock_detected. The same transaction may work when it runs again.
    let passing = matches!(code.as_ref(), "40001" | "40P01");
    Cause { text: format!("{} ({code})", error.message()), passing }
}
