//! The audit: commit order, and searches by every field.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use transom_model::audit::{Actor, AuditEntry, Origin};
use transom_model::audit_action::AuditAction;
use transom_model::id::SessionId;
use transom_store::{AuditQuery, AuditStart, Joining, Scope, SessionOrigin};
use uuid::Uuid;

use crate::lab::{Lab, entry, request, stranger};

on_both_databases! {
    a_record_reads_back_as_it_was_written,
    records_are_found_by_each_of_their_fields,
    a_record_of_an_older_program_has_no_origin,
    the_use_and_the_loss_of_a_ticket_have_an_origin,
    each_origin_of_a_grants_sessions_is_listed_once,
    a_follower_receives_every_record,
    a_change_and_its_audit_record_commit_together,
}

async fn a_record_reads_back_as_it_was_written(lab: Lab) {
    let key = lab.key().await;
    let (grant, _) = lab.grant(None).await;
    let entered = AuditEntry {
        actor: Actor::Key(key.id.clone()),
        project: Some(lab.project.id),
        grant: Some(grant.id),
        session: Some(SessionId(Uuid::now_v7())),
        detail: Some("kind page".to_owned()),
        origin: stranger(),
        ..entry(AuditAction::SessionStart)
    };
    lab.store.audit(&entered).await.unwrap();
    let record = lab.store.audit_records(&AuditQuery::default(), 1).await.unwrap().remove(0);
    assert_eq!(record.request.as_deref(), entered.request.as_ref().map(|request| request.as_str()));
    assert_eq!((record.actor, record.dialect.as_str()), (key.id.to_string(), "api"));
    assert_eq!((record.action.as_str(), record.target.as_str()), ("session.start", "vm1"));
    assert_eq!((record.outcome.as_str(), record.detail), ("ok", entered.detail));
    assert_eq!(
        (record.project, record.grant, record.session),
        (entered.project, entered.grant, entered.session)
    );
    let origin = (record.source.map(|source| source.to_string()), record.user_agent);
    assert_eq!(origin, (Some("192.0.2.8".to_owned()), Some("Stranger/1.0".to_owned())));
    let age = lab.store.now().await.unwrap().0 - record.at.0;
    assert!((0..60_000_000).contains(&age), "{age} µs");
}

async fn records_are_found_by_each_of_their_fields(lab: Lab) {
    let (grant, _) = lab.grant(None).await;
    let (session, call) = (SessionId(Uuid::now_v7()), request());
    for number in 0..6 {
        let audit = AuditEntry {
            request: (number == 1).then(|| call.clone()),
            grant: (number >= 2).then_some(grant.id),
            session: (number == 3).then_some(session),
            project: (number == 5).then_some(lab.project.id),
            origin: if number == 4 { stranger() } else { Origin::of([192, 0, 2, number].into()) },
            detail: Some(number.to_string()),
            ..entry(AuditAction::InstanceTest)
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
    assert_eq!(found(AuditQuery { source: stranger().source, ..query() }, 9).await.0, "4");
    let mapped = Some("::ffff:192.0.2.8".parse().unwrap());
    assert_eq!(found(AuditQuery { source: mapped, ..query() }, 9).await.0, "", "asked for as it is kept");
    let of_grant = AuditQuery { grant: Some(grant.id), ..query() };
    assert_eq!(found(of_grant.clone(), 2).await.0, "45", "the newest, the older one first");
    let (first, records) = found(AuditQuery { start: AuditStart::Oldest, ..of_grant.clone() }, 2).await;
    assert_eq!(first, "23");
    let start = AuditStart::After(records[1].seq);
    assert_eq!(found(AuditQuery { start, ..of_grant }, 9).await.0, "45");
}

async fn a_record_of_an_older_program_has_no_origin(lab: Lab) {
    lab.sql(
        "INSERT INTO audit (at, actor, dialect, action, target, outcome) \
         VALUES (1, 'operator', 'native', 'x.y', 'vm1', 'ok')",
    )
    .await;
    let record = lab.store.audit_records(&AuditQuery::default(), 1).await.unwrap().remove(0);
    assert_eq!((record.source, record.user_agent), (None, None));
}

async fn the_use_and_the_loss_of_a_ticket_have_an_origin(lab: Lab) {
    let newest = async || lab.store.audit_records(&AuditQuery::default(), 1).await.unwrap().remove(0);
    let (_, presented) = lab.live_page().await;
    lab.present(presented).await;
    let (_, presented) = lab.live_page().await;
    let (_, rotated) = lab.rotate(presented).await;
    lab.present(rotated).await;
    lab.rotate(presented).await;
    let of_tickets = lab.store.audit_records(&AuditQuery::default(), 100).await.unwrap();
    let replays: Vec<_> = of_tickets.iter().filter(|record| record.action == "ticket.replay").collect();
    assert_eq!(replays.len(), 2, "{of_tickets:?}");
    for record in replays {
        assert_eq!((record.source, record.user_agent.as_deref()), (stranger().source, Some("Stranger/1.0")));
    }
    let address = crate::presence::issue(&lab, &lab.key().await, 1).await;
    let kept = Some(crate::lab::digest());
    let audit = entry(AuditAction::RepeaterTicket);
    lab.store.set_repeater_ticket(&Scope::All, &address, kept, &audit).await.unwrap();
    let shown = Joining::Password {
        end_to_end_only: true,
        program: None,
        report: transom_model::cloud::DeviceReport::default(),
    };
    lab.store.join_address(&address, 2, lab.node, shown, &stranger()).await.unwrap().unwrap();
    let record = newest().await;
    assert_eq!((record.action.as_str(), record.source), ("repeater.revoke", stranger().source));
}

async fn each_origin_of_a_grants_sessions_is_listed_once(lab: Lab) {
    let ((grant, _), (other, _)) = (lab.grant(None).await, lab.grant(None).await);
    let (first, second) = (SessionId(Uuid::now_v7()), SessionId(Uuid::now_v7()));
    let elsewhere = Origin::of([192, 0, 2, 99].into());
    for (grant, session, action, origin) in [
        (grant.id, first, AuditAction::SessionStart, stranger()),
        (grant.id, second, AuditAction::SessionFail, stranger()),
        (grant.id, first, AuditAction::SessionStart, elsewhere.clone()),
        (grant.id, first, AuditAction::SessionStart, elsewhere.clone()),
        (grant.id, first, AuditAction::SessionEnd, Origin::of([192, 0, 2, 1].into())),
        (grant.id, first, AuditAction::TicketReplay, Origin::of([192, 0, 2, 2].into())),
        (grant.id, first, AuditAction::SessionStart, Origin::default()),
        (other.id, second, AuditAction::SessionStart, Origin::of([192, 0, 2, 3].into())),
    ] {
        let audit = AuditEntry { grant: Some(grant), session: Some(session), origin, ..entry(action) };
        lab.store.audit(&audit).await.unwrap();
    }
    let told = |session, origin: Origin| SessionOrigin {
        session,
        source: origin.source.unwrap(),
        user_agent: origin.user_agent.map(|agent| agent.as_str().to_owned()),
    };
    let all = [told(first, stranger()), told(second, stranger()), told(first, elsewhere)];
    assert_eq!(lab.store.session_origins(grant.id, 9).await.unwrap(), all);
    assert_eq!(lab.store.session_origins(grant.id, 1).await.unwrap(), all[2..], "the newest");
}

async fn a_follower_receives_every_record(lab: Lab) {
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
                    store.audit(&entry(AuditAction::InstanceTest)).await.unwrap();
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

async fn a_change_and_its_audit_record_commit_together(lab: Lab) {
    let count = async || lab.texts("SELECT action FROM audit").await.len();
    let before = count().await;
    lab.grant(None).await;
    assert_eq!(count().await, before + 1);
    // The record cannot be written, so the grant must not exist.
    lab.sql("ALTER TABLE audit RENAME TO hidden").await;
    let new = crate::lab::new_grant(&lab.instance, None, None);
    let id = new.id;
    assert!(lab.store.create_grant(new, &entry(AuditAction::LinkCreate)).await.is_err());
    assert_eq!(lab.store.grant(None, id).await.unwrap(), None);
    lab.sql("ALTER TABLE hidden RENAME TO audit").await;
    lab.grant(None).await;
}
