//! The metadata of instances.

use std::time::Duration;

use futures_util::future::join_all;
use transom_model::audit_action::AuditAction;
use transom_model::id::{InstanceId, InstanceUid};
use transom_model::metadata::Metadata;
use transom_store::{MetadataChange, Noted};
use uuid::Uuid;

use crate::lab::{Lab, entry, instance, new_instance, project};

on_both_databases! {
    notes_are_added_replaced_and_taken_away,
    changes_at_once_lose_nothing,
    notes_beyond_the_limit_change_nothing,
    any_text_can_be_noted,
    notes_go_with_their_instance,
    one_project_does_not_change_what_another_notes,
}

fn notes(notes: &[(&str, &str)]) -> Metadata {
    let mut metadata = Metadata::default();
    for (key, value) in notes {
        metadata.note(key, value).unwrap();
    }
    metadata
}

async fn change(lab: &Lab, change: MetadataChange) -> Noted {
    change_of(lab, &lab.instance.id, change).await
}

async fn change_of(lab: &Lab, id: &InstanceId, change: MetadataChange) -> Noted {
    lab.store.change_metadata(lab.project.id, id, change, &entry(AuditAction::MetadataChange)).await.unwrap()
}

async fn noted(lab: &Lab, uid: InstanceUid) -> Metadata {
    lab.store.metadata(&[uid]).await.unwrap().remove(&uid).unwrap_or_default()
}

async fn notes_are_added_replaced_and_taken_away(lab: Lab) {
    let uid = lab.instance.uid;
    assert_eq!(lab.store.metadata(&[uid]).await.unwrap().len(), 0);
    assert_eq!(lab.store.metadata(&[]).await.unwrap().len(), 0);
    lab.advance_clock(Duration::from_secs(1)).await;
    for (asked, left) in [
        (MetadataChange::Merge(notes(&[("a", "1"), ("b", "2")])), notes(&[("a", "1"), ("b", "2")])),
        (MetadataChange::Merge(notes(&[("b", "3")])), notes(&[("a", "1"), ("b", "3")])),
        (MetadataChange::Remove("a".to_owned()), notes(&[("b", "3")])),
        (MetadataChange::Replace(notes(&[("c", "4")])), notes(&[("c", "4")])),
        (MetadataChange::Replace(notes(&[])), notes(&[])),
    ] {
        assert_eq!(change(&lab, asked).await, Noted::Now(left.clone()));
        assert_eq!(noted(&lab, uid).await, left);
    }
    assert_eq!(change(&lab, MetadataChange::Remove("a".to_owned())).await, Noted::NoItem);
    let elsewhere = "nothing".parse().unwrap();
    assert_eq!(change_of(&lab, &elsewhere, MetadataChange::Merge(notes(&[]))).await, Noted::NoInstance);
    // A refused change is not audited.
    let told = lab.texts("SELECT action FROM audit WHERE action = 'metadata.change'").await;
    assert_eq!(told.len(), 5);
    let now = lab.store.instance_by_uid(uid).await.unwrap().unwrap();
    assert!(now.updated_at > lab.instance.updated_at);
}

async fn changes_at_once_lose_nothing(lab: Lab) {
    let keys: Vec<String> = (0..24).map(|number| format!("k{number}")).collect();
    let changes = keys.iter().map(|key| change(&lab, MetadataChange::Merge(notes(&[(key, "v")]))));
    for outcome in join_all(changes).await {
        assert!(matches!(outcome, Noted::Now(_)), "{outcome:?}");
    }
    assert_eq!(noted(&lab, lab.instance.uid).await.len(), keys.len());
}

async fn notes_beyond_the_limit_change_nothing(lab: Lab) {
    let many = |count| {
        let mut metadata = Metadata::default();
        for number in 0..count {
            metadata.note(&format!("k{number}"), "v").unwrap();
        }
        metadata
    };
    let full = many(Metadata::ITEMS);
    assert_eq!(change(&lab, MetadataChange::Replace(full.clone())).await, Noted::Now(full.clone()));
    for more in [MetadataChange::Merge(notes(&[("more", "v")])), MetadataChange::Replace(many(129))] {
        assert_eq!(change(&lab, more).await, Noted::Full);
    }
    assert_eq!(noted(&lab, lab.instance.uid).await, full);
    // An existing key can be replaced.
    let again = change(&lab, MetadataChange::Merge(notes(&[("k0", "w")]))).await;
    assert!(matches!(again, Noted::Now(now) if now.get("k0") == Some("w")));
}

async fn any_text_can_be_noted(lab: Lab) {
    let texts = notes(&[("empty", ""), ("odd", "\0\u{1b}'\"\\ \u{202e}\n"), ("-_:. 1", "Ω")]);
    assert_eq!(change(&lab, MetadataChange::Merge(texts.clone())).await, Noted::Now(texts.clone()));
    assert_eq!(noted(&lab, lab.instance.uid).await, texts);
}

async fn notes_go_with_their_instance(lab: Lab) {
    let other = instance(&lab.store, lab.project.id, "vm2").await;
    change(&lab, MetadataChange::Merge(notes(&[("a", "1")]))).await;
    change_of(&lab, &other.id, MetadataChange::Merge(notes(&[("a", "2")]))).await;
    let both = lab.store.metadata(&[lab.instance.uid, other.uid, InstanceUid(Uuid::now_v7())]).await.unwrap();
    assert_eq!((both.len(), both[&other.uid].get("a")), (2, Some("2")));
    lab.store.remove_instance(lab.project.id, &other.id, &entry(AuditAction::InstanceRemove)).await.unwrap();
    let namesake = new_instance(lab.project.id, "vm2");
    let namesake = lab.store.create_instance(namesake, &entry(AuditAction::InstanceCreate)).await.unwrap();
    assert!(noted(&lab, namesake.uid).await.is_empty());
    assert_eq!(noted(&lab, lab.instance.uid).await.len(), 1);
}

async fn one_project_does_not_change_what_another_notes(lab: Lab) {
    let other = project(&lab.store, "other").await;
    let theirs = lab
        .store
        .change_metadata(
            other.id,
            &lab.instance.id,
            MetadataChange::Merge(notes(&[("a", "1")])),
            &entry(AuditAction::MetadataChange),
        )
        .await;
    assert_eq!(theirs.unwrap(), Noted::NoInstance);
    assert!(noted(&lab, lab.instance.uid).await.is_empty());
}
