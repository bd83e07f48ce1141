//! The isolation of projects.

use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_store::{AuditQuery, InstanceChange, Page, StoreError};

use crate::lab::{Lab, entry, instance, key, new_secret, project};

on_both_databases! {
    a_project_cannot_find_another_projects_objects,
    a_project_cannot_change_another_projects_objects,
}

async fn a_project_cannot_find_another_projects_objects(lab: Lab) {
    let other = project(&lab.store, "stranger").await.id;
    let stranger = Some(other);
    let own = Some(lab.project.id);
    let key = lab.key().await;
    let (grant, token) = lab.grant(Some(1)).await;
    let session = lab.reserve(token).await.hold.session;
    let store = &lab.store;
    for (within, there) in [(own, true), (None, true), (stranger, false)] {
        assert_eq!(store.key(within, &key.id).await.unwrap().is_some(), there);
        assert_eq!(store.grant(within, grant.id).await.unwrap().is_some(), there);
        assert_eq!(store.session(within, session).await.unwrap().is_some(), there);
        assert_eq!(store.keys(within, Page::first(9)).await.unwrap().len(), usize::from(there));
        assert_eq!(store.grants(within, Page::first(9), false).await.unwrap().len(), usize::from(there));
        assert_eq!(store.sessions(within, Page::first(9), false).await.unwrap().len(), usize::from(there));
    }
    assert_eq!(store.instance(other, &lab.instance.id).await.unwrap(), None);
    assert_eq!(store.instances(other, Page::first(9)).await.unwrap(), []);

    let mut audit = entry(AuditAction::LinkCreate);
    audit.project = own;
    store.audit(&audit).await.unwrap();
    let query = AuditQuery { project: stranger, ..AuditQuery::default() };
    assert_eq!(store.audit_records(&query, 9).await.unwrap(), []);
}

async fn a_project_cannot_change_another_projects_objects(lab: Lab) {
    let other = project(&lab.store, "stranger").await;
    let stranger = Some(other.id);
    let namesake = instance(&lab.store, other.id, "vm1").await;
    let key = key(&lab.store, lab.project.id).await;
    let (grant, token) = lab.grant(Some(1)).await;
    let hold = lab.reserve(token).await.hold;
    let before = lab.store.revision().await.unwrap();

    let store = &lab.store;
    assert!(!store.revoke_grant(stranger, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap());
    assert!(!store.revoke_key(stranger, &key.id, &entry(AuditAction::KeyRevoke)).await.unwrap());
    assert!(!store.kill(stranger, hold.session, &entry(AuditAction::SessionKill)).await.unwrap());
    let rotate =
        store.add_key_secret(stranger, &key.id, new_secret(b"x"), &entry(AuditAction::KeyRotate)).await;
    assert!(matches!(rotate, Err(StoreError::NotFound(_))), "{rotate:?}");
    let retire = store.retire_key_secret(stranger, &key.id, &entry(AuditAction::KeyRetire)).await;
    assert!(matches!(retire, Err(StoreError::NotFound(_))), "{retire:?}");
    assert_eq!(store.revision().await.unwrap(), before);

    let change = InstanceChange { name: Some("theirs".to_owned()), ..InstanceChange::default() };
    let changed = store
        .update_instance(other.id, &namesake.id, change, &entry(AuditAction::InstanceChange))
        .await
        .unwrap();
    assert_eq!(changed.unwrap().uid, namesake.uid);
    assert!(
        store.remove_instance(other.id, &namesake.id, &entry(AuditAction::InstanceRemove)).await.unwrap()
    );
    assert_eq!(store.instance_by_uid(lab.instance.uid).await.unwrap(), Some(lab.instance.clone()));
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), [], "{}", EndReason::InstanceRemoved);
}
