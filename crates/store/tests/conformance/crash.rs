//! Crashes: acknowledged writes survive `kill -9` during a storm of writes.
//!
//! The storm is this test binary, started again with the database's address in its environment. It
//! runs the single test `the_storm`, which otherwise does nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use tokio::task::JoinSet;
use transom_model::audit_action::AuditAction;
use transom_model::id::GrantId;
use transom_model::project::ProjectName;
use transom_store::{DatabaseUrl, Store};

use crate::lab::{Lab, entry, new_grant};

/// The variable with the storm's database URL.
const STORM: &str = "TRANSOM_STORE_STORM";

/// The number of concurrent writers, so that several operations share a commit.
const WRITERS: usize = 16;

/// The number of acknowledged writes after which each storm is killed.
const KILLED_AFTER: [usize; 5] = [1, 40, 150, 333, 600];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_loses_no_acknowledged_write() {
    let lab = Lab::on_sqlite().await;
    let url = format!("sqlite:{}", lab.folder().unwrap().path().join("transom.db").display());
    survive(lab, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_loses_no_acknowledged_write() {
    let url = transom_testkit::postgres::database();
    survive(Lab::on_postgresql_at(url.clone()).await, &url).await;
}

async fn survive(lab: Lab, url: &str) {
    lab.store.close().await;
    for killed_after in KILLED_AFTER {
        let acknowledged = storm(url, killed_after);
        assert!(acknowledged.len() >= killed_after);
        let store = Store::open(&lab.url).await.unwrap();
        for (what, id) in acknowledged {
            let grant = store.grant(None, id).await.unwrap();
            let grant = grant.unwrap_or_else(|| panic!("{what} {id} was acknowledged and is lost"));
            assert!(what == "made" || grant.grant.revoked_at.is_some(), "the revocation of {id} is lost");
        }
        let records = lab.texts("SELECT action FROM audit").await.len();
        let changes = lab
            .texts("SELECT id FROM grants UNION ALL SELECT id FROM grants WHERE revoked_at IS NOT NULL")
            .await;
        // The lab created a project and an instance in addition to the grants.
        assert_eq!(
            records,
            changes.len() + 2,
            "every change has its record, and no record is without a change"
        );
        store.close().await;
    }
}

/// Starts a storm and kills it in the middle. Returns everything that it acknowledged.
fn storm(url: &str, killed_after: usize) -> Vec<(String, GrantId)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::the_storm", "--nocapture"])
        .env(STORM, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref().map_while(Result::ok) {
        acknowledged.extend(parse(&line));
        if acknowledged.len() == killed_after {
            // `kill` sends SIGKILL.
            child.kill().unwrap();
            break;
        }
    }
    // Lines written before the process died count as well.
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| parse(&line)));
    assert!(!child.wait().unwrap().success(), "the storm was to be killed");
    acknowledged
}

fn parse(line: &str) -> Option<(String, GrantId)> {
    let (what, id) = line.strip_prefix("storm ")?.split_once(' ')?;
    Some((what.to_owned(), id.parse().ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_storm() {
    let Ok(url) = std::env::var(STORM) else { return };
    let store = Store::open(&DatabaseUrl::parse(&url).unwrap()).await.unwrap();
    let project = store.project_named(&"lab".parse::<ProjectName>().unwrap()).await.unwrap().unwrap();
    let instance = store.instance(project.id, &"vm1".parse().unwrap()).await.unwrap().unwrap();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (store, instance) = (store.clone(), instance.clone());
        writers.spawn(async move {
            loop {
                // Unacknowledged writes may be lost. They occur because a busy machine may exceed
                // the deadline.
                let new = new_grant(&instance, Some(1), None);
                let Ok(grant) = store.create_grant(new, &entry(AuditAction::LinkCreate)).await else {
                    continue;
                };
                say("made", grant.id);
                if let Ok(true) = store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await {
                    say("revoked", grant.id);
                }
            }
        });
    }
    writers.join_all().await;
}

/// Prints with one write to the pipe, so that a kill cannot join an acknowledged line with the next
/// one.
fn say(what: &str, id: GrantId) {
    std::io::stdout().lock().write_all(format!("storm {what} {id}\n").as_bytes()).unwrap();
}
