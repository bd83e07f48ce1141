//! Settings, projects, access keys and instances.

use futures_util::future::join_all;
use transom_model::EndReason;
use transom_model::access_key::AccessKey;
use transom_model::audit_action::AuditAction;
use transom_model::id::{InstanceUid, ProjectId};
use transom_model::instance::{InstanceStatus, Sealed, SetBy};
use transom_store::{Change, InstanceChange, StoreError};
use uuid::Uuid;

use crate::lab::{Lab, entry, key, new_instance, new_key, new_secret, project};

on_both_databases! {
    the_first_of_many_concurrent_settings_wins,
    a_name_belongs_to_one_project,
    a_failed_write_does_not_affect_the_others_in_its_batch,
    a_key_has_at_most_two_secrets,
    a_revoked_key_has_no_secret,
    an_instance_reads_back_as_it_was_created,
    an_instance_change_affects_only_its_members,
    an_instance_id_is_unique_in_its_project,
    the_name_of_a_removed_instance_is_free,
    rows_without_an_existing_parent_are_refused,
    any_text_can_be_kept,
}

async fn the_first_of_many_concurrent_settings_wins(lab: Lab) {
    assert_eq!(lab.store.setting("check").await.unwrap(), None);
    let offers = (0..16u8).map(|number| {
        let store = lab.store.clone();
        async move { store.set_setting_if_absent("check", &[number]).await.unwrap() }
    });
    let answers = join_all(offers).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    lab.store.set_setting("check", b"other").await.unwrap();
    assert_eq!(lab.store.setting("check").await.unwrap().as_deref(), Some(&b"other"[..]));
}

async fn a_name_belongs_to_one_project(lab: Lab) {
    let again = lab
        .store
        .create_project(ProjectId(Uuid::now_v7()), &lab.project.name, &entry(AuditAction::ProjectCreate))
        .await;
    assert!(
        matches!(again, Err(StoreError::Conflict("a project with this name already exists"))),
        "{again:?}"
    );
    assert_eq!(lab.store.project_named(&lab.project.name).await.unwrap(), Some(lab.project.clone()));
    assert_eq!(lab.store.project(lab.project.id).await.unwrap(), Some(lab.project));
    assert_eq!(lab.store.project(ProjectId(Uuid::now_v7())).await.unwrap(), None);
}

async fn a_failed_write_does_not_affect_the_others_in_its_batch(lab: Lab) {
    // On SQLite these operations share transactions, because the others queue while the first is
    // being flushed. Every third one writes a key and then fails at its secret, whose id is taken.
    let taken = new_key(lab.project.id);
    lab.store.create_key(taken.clone(), &entry(AuditAction::KeyCreate)).await.unwrap();
    // The records of these writes have an action of their own.
    let writes = (0..90).map(|number| {
        let (store, mut new) = (lab.store.clone(), new_key(lab.project.id));
        if number % 3 == 0 {
            new.secret.id = taken.secret.id;
        }
        async move { (new.id.clone(), store.create_key(new, &entry(AuditAction::KeyRotate)).await) }
    });
    for (number, (id, outcome)) in join_all(writes).await.into_iter().enumerate() {
        let expected = number % 3 != 0;
        assert_eq!(outcome.is_ok(), expected, "{number}: {outcome:?}");
        assert_eq!(lab.store.key(None, &id).await.unwrap().is_some(), expected, "{number}");
    }
    let records = lab.texts("SELECT action FROM audit WHERE action = 'key.rotate'").await;
    assert_eq!(records.len(), 60, "a change that failed is not in the audit");
}

async fn sealed(lab: &Lab, key: &AccessKey) -> Vec<Vec<u8>> {
    lab.store.key_secrets(&key.id).await.unwrap().into_iter().map(|secret| secret.sealed.0).collect()
}

async fn a_key_has_at_most_two_secrets(lab: Lab) {
    let key = lab.key().await;
    assert_eq!(key.active_secrets, 1);
    assert_eq!(sealed(&lab, &key).await, [b"first"]);
    let retire = async || lab.store.retire_key_secret(None, &key.id, &entry(AuditAction::KeyRetire)).await;
    assert!(matches!(retire().await, Err(StoreError::Conflict("the access key has no older secret"))));

    let rotations =
        join_all((0..8).map(|_| {
            let (store, id) = (lab.store.clone(), key.id.clone());
            async move {
                store.add_key_secret(None, &id, new_secret(b"second"), &entry(AuditAction::KeyRotate)).await
            }
        }));
    let rotations = rotations.await;
    assert_eq!(rotations.iter().filter(|rotation| rotation.is_ok()).count(), 1);
    assert_eq!(sealed(&lab, &key).await, [&b"second"[..], b"first"], "the newest first");

    assert_eq!(retire().await.unwrap().active_secrets, 1);
    assert_eq!(sealed(&lab, &key).await, [b"second"], "the older one is gone");
    let rotated =
        lab.store.add_key_secret(None, &key.id, new_secret(b"third"), &entry(AuditAction::KeyRotate)).await;
    assert_eq!(rotated.unwrap().active_secrets, 2);
    let (known, secrets) = lab.store.key_with_secrets(&key.id).await.unwrap().unwrap();
    assert_eq!((known.active_secrets, known.id), (2, key.id.clone()));
    assert_eq!(
        secrets.into_iter().map(|secret| secret.sealed).collect::<Vec<_>>(),
        [Sealed(b"third".to_vec()), Sealed(b"second".to_vec())]
    );
}

async fn a_revoked_key_has_no_secret(lab: Lab) {
    let key = lab.key().await;
    let before = lab.store.revision().await.unwrap();
    assert!(lab.store.revoke_key(None, &key.id, &entry(AuditAction::KeyRevoke)).await.unwrap());
    assert!(!lab.store.revoke_key(None, &key.id, &entry(AuditAction::KeyRevoke)).await.unwrap());
    assert_eq!(lab.store.revision().await.unwrap(), before + 1);
    let (known, secrets) = lab.store.key_with_secrets(&key.id).await.unwrap().unwrap();
    assert!(known.revoked_at.is_some());
    assert_eq!((known.active_secrets, secrets), (0, vec![]));
    assert_eq!(lab.texts("SELECT id FROM access_key_secrets").await, [""; 0]);
    let rotate =
        lab.store.add_key_secret(None, &key.id, new_secret(b"late"), &entry(AuditAction::KeyRotate)).await;
    assert!(matches!(rotate, Err(StoreError::Conflict("the access key is revoked"))), "{rotate:?}");
}

async fn an_instance_reads_back_as_it_was_created(lab: Lab) {
    let mut new = new_instance(lab.project.id, "full");
    new.endpoint_set_by = SetBy::Project;
    new.security.username = Some("u".to_owned());
    new.security.ca = Some("ca".to_owned());
    new.security.certificate = Some("certificate".to_owned());
    new.security.key = Some(Sealed(vec![0, 255, 1]));
    new.security.headers = Some(Sealed(vec![2, 254, 0]));
    let made = lab.store.create_instance(new.clone(), &entry(AuditAction::InstanceCreate)).await.unwrap();
    assert_eq!((made.uid, &made.id, &made.name), (new.uid, &new.id, &new.name));
    assert_eq!(
        (made.status, &made.endpoint, made.endpoint_set_by),
        (new.status, &new.endpoint, SetBy::Project)
    );
    assert_eq!(made.security, new.security);
    assert_eq!(made.created_at, made.updated_at);
    assert_eq!(lab.store.instance(lab.project.id, &made.id).await.unwrap(), Some(made.clone()));
    assert_eq!(lab.store.instance_by_uid(made.uid).await.unwrap(), Some(made));
    assert_eq!(lab.store.instance_by_uid(InstanceUid(Uuid::now_v7())).await.unwrap(), None);
}

async fn an_instance_change_affects_only_its_members(lab: Lab) {
    lab.advance_clock(std::time::Duration::from_secs(1)).await;
    let update = async |change| {
        let (store, audit) = (&lab.store, entry(AuditAction::InstanceChange));
        store.update_instance(lab.project.id, &lab.instance.id, change, &audit).await.unwrap().unwrap()
    };
    let mut expected = lab.instance.clone();
    let changed =
        update(InstanceChange { status: Some(InstanceStatus::Stopped), ..InstanceChange::default() }).await;
    assert!(changed.updated_at > expected.updated_at);
    expected.status = InstanceStatus::Stopped;
    expected.updated_at = changed.updated_at;
    assert_eq!(changed, expected);

    let changed = update(InstanceChange {
        name: Some("other".to_owned()),
        endpoint: Some(("vnc+unix:/run/x".parse().unwrap(), SetBy::Project)),
        username: Change::Set("u".to_owned()),
        password: Change::Clear,
        key: Change::Set(Sealed(vec![1])),
        headers: Change::Set(Sealed(vec![2])),
        ..InstanceChange::default()
    });
    let changed = changed.await;
    expected.name = "other".to_owned();
    expected.endpoint = "vnc+unix:/run/x".parse().unwrap();
    expected.endpoint_set_by = SetBy::Project;
    expected.security.username = Some("u".to_owned());
    expected.security.password = None;
    expected.security.key = Some(Sealed(vec![1]));
    expected.security.headers = Some(Sealed(vec![2]));
    expected.endpoint_version += 1;
    expected.updated_at = changed.updated_at;
    assert_eq!(changed, expected);

    let changed = update(InstanceChange { headers: Change::Clear, ..InstanceChange::default() }).await;
    expected.security.headers = None;
    expected.updated_at = changed.updated_at;
    assert_eq!(changed, expected);
    assert_eq!(lab.store.instance(lab.project.id, &lab.instance.id).await.unwrap(), Some(expected));
}

async fn an_instance_id_is_unique_in_its_project(lab: Lab) {
    let again = lab
        .store
        .create_instance(new_instance(lab.project.id, "vm1"), &entry(AuditAction::InstanceCreate))
        .await;
    assert!(
        matches!(again, Err(StoreError::Conflict("the project already has an instance with this id"))),
        "{again:?}"
    );
    let other = project(&lab.store, "other").await;
    lab.store
        .create_instance(new_instance(other.id, "vm1"), &entry(AuditAction::InstanceCreate))
        .await
        .unwrap();
}

async fn the_name_of_a_removed_instance_is_free(lab: Lab) {
    let (grant, _) = lab.grant(Some(1)).await;
    assert!(lab.remove_instance().await);
    assert!(!lab.remove_instance().await);
    let next = lab
        .store
        .create_instance(new_instance(lab.project.id, "vm1"), &entry(AuditAction::InstanceCreate))
        .await
        .unwrap();
    assert_ne!(next.uid, grant.instance_uid, "the old grant does not lead to the new machine");
    let kept = lab.store.grant(None, grant.id).await.unwrap().unwrap();
    assert_eq!((kept.grant, kept.refusal), (grant, Some(EndReason::InstanceRemoved)), "it stays on record");
}

async fn rows_without_an_existing_parent_are_refused(lab: Lab) {
    let nowhere = ProjectId(Uuid::now_v7());
    let made = lab.store.create_key(new_key(nowhere), &entry(AuditAction::KeyCreate)).await;
    assert!(matches!(made, Err(StoreError::NotFound(_))), "{made:?}");
    let made =
        lab.store.create_instance(new_instance(nowhere, "vm1"), &entry(AuditAction::InstanceCreate)).await;
    assert!(matches!(made, Err(StoreError::NotFound(_))), "{made:?}");
    let unknown = new_key(lab.project.id).id;
    let rotate =
        lab.store.add_key_secret(None, &unknown, new_secret(b"x"), &entry(AuditAction::KeyRotate)).await;
    assert!(matches!(rotate, Err(StoreError::NotFound("access key"))), "{rotate:?}");
    key(&lab.store, lab.project.id).await;
}

async fn any_text_can_be_kept(lab: Lab) {
    let mut audit = entry(AuditAction::InstanceChange);
    audit.detail = Some("it said \0 'quoted' $1 🖥 \u{202e}".to_owned());
    lab.store.audit(&audit).await.unwrap();
    let records = lab.store.audit_records(&transom_store::AuditQuery::default(), 1).await.unwrap();
    assert_eq!(records[0].detail.as_deref(), Some("it said \u{fffd} 'quoted' $1 🖥 \u{202e}"));
}
