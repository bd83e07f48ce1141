//! A blocked database: every operation responds in time and works again afterwards.

use std::time::Instant;

use sqlx::{Connection as _, Executor as _, PgConnection};
use transom_model::audit_action::AuditAction;
use transom_model::id::GrantId;
use transom_store::{OPERATION_DEADLINE, Store, StoreError};

use crate::lab::{Lab, entry};

/// Asserts that a write gives up on a lock that is held longer than its deadline.
async fn assert_given_up(lab: &Lab, grant: GrantId) {
    let began = Instant::now();
    let revoked = lab.store.revoke_grant(None, grant, &entry(AuditAction::LinkRevoke)).await;
    assert!(matches!(revoked, Err(StoreError::Unavailable(_))), "{revoked:?}");
    assert!(began.elapsed() < OPERATION_DEADLINE * 2, "{:?}", began.elapsed());
    assert!(lab.store.grant(None, grant).await.unwrap().unwrap().grant.revoked_at.is_none());
}

#[tokio::test]
async fn sqlite_locked_by_another_process_is_unavailable_for_writes_only() {
    let lab = Lab::on_sqlite().await;
    let (grant, _) = lab.grant(None).await;
    let path = lab.folder().unwrap().path().join("transom.db");
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_given_up(&lab, grant.id).await;
    other.execute_batch("ROLLBACK").unwrap();
    assert!(lab.store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap());
}

#[tokio::test]
async fn postgresql_with_a_locked_table_is_unavailable_until_it_is_released() {
    let url = transom_testkit::postgres::database();
    let lab = Lab::on_postgresql_at(url.clone()).await;
    let (grant, _) = lab.grant(None).await;
    let mut other = PgConnection::connect(&url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE audit").await.unwrap();
    assert_given_up(&lab, grant.id).await;
    other.execute("ROLLBACK").await.unwrap();
    assert!(lab.store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap());
}

#[tokio::test]
async fn a_postgresql_server_is_used_again_after_it_drops_its_connections() {
    let url = transom_testkit::postgres::database();
    let lab = Lab::on_postgresql_at(url.clone()).await;
    lab.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
             AND pid <> pg_backend_pid()",
    )
    .await;
    // Each connection that was open may fail once; all work afterwards.
    let mut answered = false;
    for _ in 0..20 {
        answered |= lab.store.ping().await.is_ok();
    }
    assert!(answered);
    lab.store.ping().await.unwrap();
    lab.grant(None).await;
}

#[tokio::test]
async fn connecting_to_a_silent_postgresql_server_times_out() {
    // The kernel accepts connections that no program answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = transom_store::DatabaseUrl::parse(&format!("postgres://transom:x@127.0.0.1:{port}/x")).unwrap();
    let error = Store::open(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}
