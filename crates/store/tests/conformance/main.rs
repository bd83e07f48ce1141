//! The suite that runs on both real databases: a SQLite file in a temporary folder, and PostgreSQL.
#![expect(clippy::unwrap_used, reason = "tests")]

/// Declares two tests for each function: one runs it on SQLite, the other on PostgreSQL.
macro_rules! on_both_databases {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::lab::Lab::on_sqlite().await).await;
            })+
        }
        mod postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::lab::Lab::on_postgresql().await).await;
            })+
        }
    };
}

mod audit;
mod availability;
mod crash;
mod endings;
mod foreign;
mod import;
mod instance_query;
mod inventory;
mod isolation;
mod lab;
mod links;
mod metadata;
mod nodes;
mod opening;
mod paging;
mod presence;
mod reservation;
mod schema;
mod sweep;
mod tickets;
mod tokens;
mod uncounted;
