//! Imports: many instances in one transaction.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::audit::AuditEntry;
use transom_model::audit_action::AuditAction;
use transom_model::id::{ImportName, InstanceId};
use transom_model::instance::{Instance, InstanceStatus, SetBy};
use transom_store::{Import, InstanceChange, NewInstance, StoreError};

use crate::lab::{Lab, entry, new_instance};

on_both_databases! {
    an_import_adds_changes_and_removes_in_one_transaction,
    a_rehearsal_changes_nothing,
    an_import_of_an_id_that_was_taken_meanwhile_changes_nothing,
    an_import_removes_only_what_the_named_one_added,
    an_import_that_changes_an_endpoint_ends_the_sessions_that_wait,
    thousands_of_instances_fit_into_one_import,
}

fn audit(action: AuditAction, id: &InstanceId) -> AuditEntry {
    AuditEntry { target: id.to_string(), ..entry(action) }
}

fn name(text: &str) -> ImportName {
    text.parse().unwrap()
}

fn empty(lab: &Lab) -> Import {
    Import {
        project: lab.project.id,
        added: Vec::new(),
        changed: Vec::new(),
        removed: None,
        is_rehearsal: false,
    }
}

fn adding(lab: &Lab, ids: &[&str], import: Option<&str>) -> Import {
    let added = ids.iter().map(|id| {
        let new = new_instance(lab.project.id, id);
        let new = NewInstance { import_name: import.map(name), ..new };
        let audit = audit(AuditAction::InstanceCreate, &new.id);
        (new, audit)
    });
    Import { added: added.collect(), ..empty(lab) }
}

fn stopping(instance: &Instance) -> (InstanceId, InstanceChange, AuditEntry) {
    let change = InstanceChange { status: Some(InstanceStatus::Stopped), ..InstanceChange::default() };
    (instance.id.clone(), change, audit(AuditAction::InstanceChange, &instance.id))
}

fn removing(import: &str, ids: &[&str]) -> Option<(ImportName, Vec<(InstanceId, AuditEntry)>)> {
    let ids = ids.iter().map(|id| id.parse::<InstanceId>().unwrap());
    Some((name(import), ids.map(|id| (id.clone(), audit(AuditAction::InstanceRemove, &id))).collect()))
}

async fn instances(lab: &Lab) -> Vec<String> {
    lab.texts("SELECT id || ' ' || status FROM instances ORDER BY id").await
}

async fn records(lab: &Lab) -> Vec<String> {
    lab.texts("SELECT action || ' ' || target FROM audit WHERE target <> 'vm1' OR action <> 'instance.create' ORDER BY seq")
        .await
        .into_iter()
        .filter(|record| record.starts_with("instance."))
        .collect()
}

async fn an_import_adds_changes_and_removes_in_one_transaction(lab: Lab) {
    let first = adding(&lab, &["a", "b", "c"], Some("rack"));
    assert_eq!(lab.store.import_instances(first).await.unwrap(), []);
    let ids: Vec<InstanceId> = ["a", "c", "nowhere"].iter().map(|id| id.parse().unwrap()).collect();
    let mut found =
        lab.store.instances_of_ids(lab.project.id, &ids.iter().collect::<Vec<_>>()).await.unwrap();
    found.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(found.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert!(found.iter().all(|found| found.import_name == Some(name("rack"))));
    assert!(found.iter().all(|found| found.created_at == found.updated_at));
    let of = async |text| lab.store.instances_of_import(lab.project.id, &name(text)).await.unwrap();
    assert_eq!(of("rack").await.iter().map(InstanceId::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(of("other").await, []);

    let before = lab.store.revision().await.unwrap();
    let second = Import {
        changed: vec![stopping(&lab.instance)],
        removed: removing("rack", &["b", "c"]),
        ..adding(&lab, &["d"], None)
    };
    assert_eq!(lab.store.import_instances(second).await.unwrap(), []);
    assert_eq!(instances(&lab).await, ["a running", "d running", "vm1 stopped"]);
    assert_eq!(lab.store.revision().await.unwrap(), before + 1, "removals end sessions");
    assert_eq!(
        records(&lab).await,
        [
            "instance.create a",
            "instance.create b",
            "instance.create c",
            "instance.create d",
            "instance.change vm1",
            "instance.remove b",
            "instance.remove c"
        ]
    );
}

async fn a_rehearsal_changes_nothing(lab: Lab) {
    lab.store.import_instances(adding(&lab, &["a"], Some("rack"))).await.unwrap();
    let (before, written) = (instances(&lab).await, records(&lab).await);
    let rehearsal = Import {
        changed: vec![stopping(&lab.instance)],
        removed: removing("rack", &["a"]),
        is_rehearsal: true,
        ..adding(&lab, &["b"], None)
    };
    assert_eq!(lab.store.import_instances(rehearsal).await.unwrap(), []);
    assert_eq!((instances(&lab).await, records(&lab).await), (before, written));
}

async fn an_import_of_an_id_that_was_taken_meanwhile_changes_nothing(lab: Lab) {
    let taken = Import {
        changed: vec![stopping(&lab.instance)],
        ..adding(&lab, &["a", lab.instance.id.as_str()], None)
    };
    let refused = lab.store.import_instances(taken).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict("the project already has an instance with this id"))),
        "{refused:?}"
    );
    let mut gone = stopping(&lab.instance);
    gone.0 = "gone".parse().unwrap();
    let gone = Import { changed: vec![stopping(&lab.instance), gone], ..empty(&lab) };
    let refused = lab.store.import_instances(gone).await;
    assert!(matches!(refused, Err(StoreError::NotFound("instance"))), "{refused:?}");
    assert_eq!(instances(&lab).await, ["vm1 running"]);
    assert_eq!(records(&lab).await, [""; 0]);
}

async fn an_import_removes_only_what_the_named_one_added(lab: Lab) {
    lab.store.import_instances(adding(&lab, &["a"], Some("rack"))).await.unwrap();
    for (import, ids) in [("other", ["a"]), ("rack", ["vm1"])] {
        let refused =
            lab.store.import_instances(Import { removed: removing(import, &ids), ..empty(&lab) }).await;
        assert!(matches!(refused, Err(StoreError::NotFound("instance"))), "{refused:?}");
    }
    assert_eq!(instances(&lab).await, ["a running", "vm1 running"]);
}

async fn an_import_that_changes_an_endpoint_ends_the_sessions_that_wait(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    lab.store.detach(hold, transom_store::Traffic::default()).await.unwrap();
    let endpoint = Some(("vnc://192.0.2.9".parse().unwrap(), SetBy::Operator));
    let change = InstanceChange { endpoint, ..InstanceChange::default() };
    let changed =
        vec![(lab.instance.id.clone(), change, audit(AuditAction::InstanceChange, &lab.instance.id))];
    let before = lab.store.revision().await.unwrap();
    lab.store.import_instances(Import { changed, ..empty(&lab) }).await.unwrap();
    assert_eq!(lab.store.revision().await.unwrap(), before + 1);
    let ends = lab.texts("SELECT end_reason FROM sessions WHERE state = 'ended'").await;
    assert_eq!(ends, [EndReason::EndpointChanged.code()]);
}

async fn thousands_of_instances_fit_into_one_import(lab: Lab) {
    const MANY: usize = 5_000;
    let ids: Vec<String> = (0..MANY).map(|number| format!("vm-{number:05}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    lab.store.import_instances(adding(&lab, &ids, Some("rack"))).await.unwrap();
    let made = lab.store.instances_of_import(lab.project.id, &name("rack")).await.unwrap();
    assert_eq!(made.len(), MANY);
    lab.advance_clock(Duration::from_secs(1)).await;
    let known = lab.store.instances_of_ids(lab.project.id, &made.iter().collect::<Vec<_>>()).await.unwrap();
    let changed = known.iter().map(stopping).collect();
    lab.store.import_instances(Import { changed, ..empty(&lab) }).await.unwrap();
    lab.store.import_instances(Import { removed: removing("rack", &ids), ..empty(&lab) }).await.unwrap();
    assert_eq!(instances(&lab).await, ["vm1 running"]);
    let records = lab.texts("SELECT CAST(COUNT(*) AS TEXT) FROM audit WHERE target LIKE 'vm-%'").await;
    assert_eq!(records, [(3 * MANY).to_string()]);
}
