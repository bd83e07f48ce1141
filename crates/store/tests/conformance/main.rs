//! One suite, run on both real databases: a SQLite file in a temporary folder, and PostgreSQL.
#![expect(clippy::unwrap_used, reason = "tests")]

/// Makes two tests of each of these functions: one that gives it SQLite, one that gives it PostgreSQL.
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
mod instance_query;
mod inventory;
mod isolation;
mod lab;
mod links;
mod nodes;
mod opening;
mod paging;
mod presence;
mod reservation;
mod sweep;
mod tickets;
mod tokens;
mod uncounted;
