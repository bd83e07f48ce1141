//! Opening: the schema, two nodes at once, owner-only files, and errors without passwords.

use std::os::unix::fs::PermissionsExt as _;

use transom_store::{DatabaseUrl, Store, StoreError};

use crate::lab::Lab;

on_both_databases! {
    written_data_survives_reopening,
    two_nodes_open_one_database,
    a_newer_schema_is_refused_unless_it_admits_this_program,
    examining_a_schema_does_not_change_it,
    a_foreign_schema_is_refused,
    a_closed_store_is_unavailable,
}

async fn written_data_survives_reopening(lab: Lab) {
    lab.store.close().await;
    let store = Store::open(&lab.url).await.unwrap();
    assert_eq!(store.project(lab.project.id).await.unwrap(), Some(lab.project.clone()));
    store.ping().await.unwrap();
}

async fn two_nodes_open_one_database(lab: Lab) {
    let (first, second) = tokio::join!(Store::open(&lab.url), Store::open(&lab.url));
    let (first, second) = (first.unwrap(), second.unwrap());
    first.set_setting("x", b"1").await.unwrap();
    second.set_setting("y", b"2").await.unwrap();
    assert_eq!(second.setting("x").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(lab.store.setting("y").await.unwrap().as_deref(), Some(&b"2"[..]));
}

async fn a_newer_schema_is_refused_unless_it_admits_this_program(lab: Lab) {
    lab.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', TRUE, '', 0)",
    )
    .await;
    let refused = async |words: &str| {
        for refused in [Store::open(&lab.url).await.map(drop), Store::examine(&lab.url).await.map(drop)] {
            let refused = refused.unwrap_err();
            assert!(matches!(&refused, StoreError::Unusable(text) if text.contains(words)), "{refused}");
        }
    };
    refused("newer Transom: version 9999 of its schema does not name").await;
    lab.sql("INSERT INTO schema_programs (version, oldest_program) VALUES (9999, '99.0.0')").await;
    refused("version 9999 of its schema requires transom 99.0.0 or later").await;
    lab.sql("UPDATE schema_programs SET oldest_program = '0.1.0' WHERE version = 9999").await;
    let plan = Store::examine(&lab.url).await.unwrap();
    assert_eq!((plan.has, plan.adds), (Some(9999), vec![]));
    let store = Store::open(&lab.url).await.unwrap();
    assert_eq!(store.project(lab.project.id).await.unwrap(), Some(lab.project.clone()));
}

async fn examining_a_schema_does_not_change_it(lab: Lab) {
    let plan = Store::examine(&lab.url).await.unwrap();
    assert_eq!((plan.has, plan.adds.len()), (Some(plan.knows), 0), "it is open, and up to date");
    lab.store.close().await;
    // The schema as the program before the newest migration left it.
    let undone = format!(
        "DELETE FROM _sqlx_migrations WHERE version = {0}; DELETE FROM schema_programs WHERE version = {0}",
        plan.knows
    );
    lab.sql(&undone).await;
    let files = || lab.folder().map(|folder| folder.path().read_dir().unwrap().count());
    let before = files();
    for _ in 0..2 {
        let plan = Store::examine(&lab.url).await.unwrap();
        let adds: Vec<_> = plan.adds.iter().map(|(version, _)| *version).collect();
        assert_eq!(adds, [plan.knows]);
    }
    assert_eq!(files(), before);
}

#[tokio::test]
async fn examining_a_missing_database_does_not_create_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::sqlite(folder.path().join("transom.db"));
    let plan = Store::examine(&url).await.unwrap();
    assert_eq!((plan.has, plan.adds.last().unwrap().0), (None, plan.knows));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    let url = DatabaseUrl::parse(&transom_testkit::postgres::database()).unwrap();
    for _ in 0..2 {
        let plan = Store::examine(&url).await.unwrap();
        assert_eq!((plan.has, plan.adds.last().unwrap().0), (None, plan.knows));
    }
}

async fn a_foreign_schema_is_refused(lab: Lab) {
    lab.sql("UPDATE _sqlx_migrations SET checksum = ''").await;
    let refused = Store::open(&lab.url).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Unusable(_)), "{refused}");
}

async fn a_closed_store_is_unavailable(lab: Lab) {
    let (last, ()) = tokio::join!(lab.store.set_setting("last", b"word"), lab.store.close());
    last.unwrap();
    lab.store.close().await;
    assert!(matches!(lab.store.ping().await, Err(StoreError::Unavailable(_))));
    assert!(matches!(lab.store.set_setting("x", b"").await, Err(StoreError::Unavailable(_))));
    assert!(matches!(lab.store.setting("last").await, Err(StoreError::Unavailable(_))));
}

#[tokio::test]
async fn nodes_that_start_together_create_one_postgresql_schema() {
    let url = DatabaseUrl::parse(&transom_testkit::postgres::database()).unwrap();
    let (first, second, third) = tokio::join!(Store::open(&url), Store::open(&url), Store::open(&url));
    for store in [first, second, third] {
        store.unwrap().ping().await.unwrap();
    }
}

#[tokio::test]
async fn sqlite_files_are_accessible_to_their_owner_only() {
    let lab = Lab::on_sqlite().await;
    let files: Vec<_> = lab.folder().unwrap().path().read_dir().unwrap().map(|file| file.unwrap()).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn no_error_shows_the_password() {
    let good = transom_testkit::postgres::database();
    let (scheme, rest) = good.split_once("//").unwrap();
    let (_, address) = rest.split_once('@').unwrap();
    for url in [
        format!("{scheme}//transom:hunter2@{address}"),
        format!("{scheme}//nobody:hunter2@{address}"),
        format!("{scheme}//transom:hunter2@{address}?sslmode=verify-full"),
        "postgres://transom:hunter2@127.0.0.1:1/x".to_owned(),
        "postgres://transom:hunter2@nowhere.invalid/x".to_owned(),
    ] {
        let url = DatabaseUrl::parse(&url).unwrap();
        let error = Store::open(&url).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(!format!("{error} {error:?} {url} {url:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_database_in_a_missing_folder_is_named() {
    let url = DatabaseUrl::sqlite("/nonexistent/transom.db");
    let error = Store::open(&url).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/transom.db"), "{error}");
}
