//! The audit: in the order of commits, found by everything it names.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use transom_model::audit::{Actor, AuditEntry};
use transom_model::id::SessionId;
use transom_store::{AuditQuery, AuditStart};
use uuid::Uuid;

use crate::lab::{Lab, entry, request};

on_both_databases! {
    a_record_holds_what_was_entered,
    records_are_found_by_what_they_name,
    whoever_follows_misses_nothing,
    a_change_and_its_record_stand_or_fall_together,
}

async fn a_record_holds_what_was_entered(lab: Lab) {
    let key = lab.key().await;
    let (grant, _) = lab.grant(None).await;
    let entered = AuditEntry {
        actor: Actor::Key(key.id.clone()),
        project: Some(lab.project.id),
        grant: Some(grant.id),
        session: Some(SessionId(Uuid::now_v7())),
        detail: Some("kind page".to_owned()),
        ..entry("console.open")
    };
    lab.store.audit(&entered).await.unwrap();
    let record = lab.store.audit_records(&AuditQuery::default(), 1).await.unwrap().remove(0);
    assert_eq!(record.request.as_deref(), entered.request.as_ref().map(|request| request.as_str()));
    assert_eq!((record.actor, record.dialect.as_str()), (key.id.to_string(), "native"));
    assert_eq!((record.action.as_str(), record.target.as_str()), ("console.open", "vm1"));
    assert_eq!((record.outcome.as_str(), record.detail), ("ok", entered.detail));
    assert_eq!(
        (record.project, record.grant, record.session),
        (entered.project, entered.grant, entered.session)
    );
    let age = lab.store.now().await.unwrap().0 - record.at.0;
    assert!((0..60_000_000).contains(&age), "{age} µs");
}

async fn records_are_found_by_what_they_name(lab: Lab) {
    let (grant, _) = lab.grant(None).await;
    let (session, call) = (SessionId(Uuid::now_v7()), request());
    for number in 0..6 {
        let audit = AuditEntry {
            request: (number == 1).then(|| call.clone()),
            grant: (number >= 2).then_some(grant.id),
            session: (number == 3).then_some(session),
            project: (number == 5).then_some(lab.project.id),
            detail: Some(number.to_string()),
            ..entry("x.y")
        };
        lab.store.audit(&audit).await.unwrap();
    }
    let found = async |query: AuditQuery, limit| {
        let records = lab.store.audit_records(&query, limit).await.unwrap();
        (records.iter().map(|record| record.detail.clone().unwrap()).collect::<String>(), records)
    };
    let query = AuditQuery::default;
    assert_eq!(found(AuditQuery { request: Some(call), ..query() }, 9).await.0, "1");
    assert_eq!(found(AuditQuery { session: Some(session), ..query() }, 9).await.0, "3");
    assert_eq!(found(AuditQuery { project: Some(lab.project.id), ..query() }, 9).await.0, "5");
    let of_grant = AuditQuery { grant: Some(grant.id), ..query() };
    assert_eq!(found(of_grant.clone(), 2).await.0, "45", "the newest, the older one first");
    let (first, records) = found(AuditQuery { start: AuditStart::Oldest, ..of_grant.clone() }, 2).await;
    assert_eq!(first, "23");
    let start = AuditStart::After(records[1].seq);
    assert_eq!(found(AuditQuery { start, ..of_grant }, 9).await.0, "45");
}

async fn whoever_follows_misses_nothing(lab: Lab) {
    const WRITERS: usize = 8;
    const EACH: usize = 40;
    let before = lab.store.audit_records(&AuditQuery::default(), 1).await.unwrap()[0].seq;
    let done = AtomicBool::new(false);
    let follow = async {
        let (mut seen, mut last) = (Vec::new(), before);
        loop {
            let finished = done.load(Ordering::Acquire);
            let query = AuditQuery { start: AuditStart::After(last), ..AuditQuery::default() };
            let records = lab.store.audit_records(&query, 1000).await.unwrap();
            last = records.last().map_or(last, |record| record.seq);
            seen.extend(records.into_iter().map(|record| record.seq));
            if finished {
                return seen;
            }
            tokio::task::yield_now().await;
        }
    };
    let write = async {
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let store = lab.store.clone();
            writers.spawn(async move {
                for _ in 0..EACH {
                    store.audit(&entry("x.y")).await.unwrap();
                }
            });
        }
        writers.join_all().await;
        done.store(true, Ordering::Release);
    };
    let (seen, ()) = tokio::join!(follow, write);
    assert_eq!(seen.len(), WRITERS * EACH);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
}

async fn a_change_and_its_record_stand_or_fall_together(lab: Lab) {
    let count = async || lab.texts("SELECT action FROM audit").await.len();
    let before = count().await;
    lab.grant(None).await;
    assert_eq!(count().await, before + 1);
    // The record cannot be written, so the grant must not be there.
    lab.sql("ALTER TABLE audit RENAME TO hidden").await;
    let new = crate::lab::new_grant(&lab.instance, None, None);
    let id = new.id;
    assert!(lab.store.create_grant(new, &entry("grant.create")).await.is_err());
    assert_eq!(lab.store.grant(None, id).await.unwrap(), None);
    lab.sql("ALTER TABLE hidden RENAME TO audit").await;
    lab.grant(None).await;
}
