//! Endings: the first reason stands, bytes add up, and a kill reaches the node that carries the
//! session.

use transom_model::EndReason;
use transom_model::access_key::AccessKeyId;
use transom_model::audit_action::AuditAction;
use transom_model::id::SessionId;
use transom_model::session::SessionState;
use transom_store::{AuditQuery, Commit, Ending, Hold, Page, Store, ToEnd, Traffic};
use uuid::Uuid;

use crate::lab::{Lab, accepted, entry};

on_both_databases! {
    the_first_reason_wins,
    the_bytes_of_every_connection_add_up,
    a_kill_reaches_the_node_and_takes_precedence_over_a_later_reason,
    a_session_without_a_ticket_ends_when_its_viewer_is_lost,
    a_killed_session_cannot_be_detached,
    a_waiting_session_ends_with_its_grant_key_or_instance,
    a_returning_page_ends_on_the_node_that_carries_it,
    the_sweep_ends_the_waiting_sessions_beyond_one_batch,
    an_unknown_session_is_reported_as_unknown,
    the_audit_of_an_end_names_the_final_reason,
    a_list_of_open_sessions_contains_no_others,
}

const SOME: Traffic = Traffic { to_viewer: 1000, to_instance: 10 };

async fn live(lab: &Lab) -> Hold {
    let (_, token) = lab.grant(Some(1)).await;
    let hold = lab.reserve(token).await.hold;
    assert_eq!(lab.commit(hold).await, Commit::Live);
    hold
}

async fn end(lab: &Lab, hold: Hold, reason: EndReason) -> Ending {
    lab.store.end(hold, reason, SOME, &entry(AuditAction::SessionEnd)).await.unwrap()
}

async fn the_first_reason_wins(lab: Lab) {
    let hold = live(&lab).await;
    assert_eq!(end(&lab, hold, EndReason::ViewerClosed).await, Ending::Ended(EndReason::ViewerClosed));
    assert_eq!(end(&lab, hold, EndReason::InstanceGone).await, Ending::Already(EndReason::ViewerClosed));
    assert!(
        !lab.store.kill(None, hold.session, &entry(AuditAction::SessionKill)).await.unwrap(),
        "it is not open any more"
    );
    assert_eq!(lab.commit(hold).await, Commit::Ended(EndReason::ViewerClosed));
    let session = lab.store.session(None, hold.session).await.unwrap().unwrap();
    assert_eq!(session.end_reason, Some(EndReason::ViewerClosed));
}

async fn the_bytes_of_every_connection_add_up(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    assert_eq!(lab.store.detach(hold, SOME).await.unwrap(), Ending::Detached);
    assert_eq!(end(&lab, hold, EndReason::SessionExpired).await, Ending::Ended(EndReason::SessionExpired));
    let session = lab.store.session(None, hold.session).await.unwrap().unwrap();
    assert_eq!((session.bytes_to_viewer, session.bytes_to_instance), (2000, 20));
}

async fn a_kill_reaches_the_node_and_takes_precedence_over_a_later_reason(lab: Lab) {
    let hold = live(&lab).await;
    let before = lab.store.revision().await.unwrap();
    assert!(lab.store.kill(None, hold.session, &entry(AuditAction::SessionKill)).await.unwrap());
    assert!(
        lab.store.kill(None, hold.session, &entry(AuditAction::SessionKill)).await.unwrap(),
        "asking twice is no error"
    );
    assert_eq!(lab.store.revision().await.unwrap(), before + 1);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), [ToEnd { hold, reason: EndReason::SessionKilled }]);
    assert_eq!(end(&lab, hold, EndReason::InstanceGone).await, Ending::Ended(EndReason::SessionKilled));
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), []);
}

async fn a_session_without_a_ticket_ends_when_its_viewer_is_lost(lab: Lab) {
    let hold = live(&lab).await;
    assert_eq!(lab.store.detach(hold, SOME).await.unwrap(), Ending::Ended(EndReason::ViewerLost));
    let session = lab.store.session(None, hold.session).await.unwrap().unwrap();
    assert_eq!((session.state, session.bytes_to_viewer), (SessionState::Ended, 1000));
    assert!(session.ended_at.is_some());
    let query = AuditQuery { session: Some(hold.session), ..AuditQuery::default() };
    let records = lab.store.audit_records(&query, 10).await.unwrap();
    let told =
        records.iter().map(|record| (record.actor.as_str(), record.action.as_str(), record.outcome.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), [("transom", "session.end", "viewer-lost")]);
}

async fn a_killed_session_cannot_be_detached(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    lab.store.kill(None, hold.session, &entry(AuditAction::SessionKill)).await.unwrap();
    assert_eq!(lab.store.detach(hold, SOME).await.unwrap(), Ending::Ended(EndReason::SessionKilled));
}

/// A session under this key that waits for its page.
async fn waiting(lab: &Lab, key: Option<AccessKeyId>) -> Hold {
    let (_, token) = lab.grant_by(Some(1), key).await;
    let (_, ticket) = lab.reserve_with_ticket(token).await;
    let hold = accepted(lab.present(ticket).await).hold;
    assert_eq!(lab.commit(hold).await, Commit::Live);
    assert_eq!(lab.store.detach(hold, SOME).await.unwrap(), Ending::Detached);
    hold
}

/// The session's state, end reason and number of end records.
async fn over(lab: &Lab, hold: Hold) -> (SessionState, Option<EndReason>, usize) {
    let session = lab.store.session(None, hold.session).await.unwrap().unwrap();
    let query = AuditQuery { session: Some(hold.session), ..AuditQuery::default() };
    let records = lab.store.audit_records(&query, 100).await.unwrap();
    let ends = records.iter().filter(|record| record.action == "session.end");
    (session.state, session.end_reason, ends.count())
}

async fn a_waiting_session_ends_with_its_grant_key_or_instance(lab: Lab) {
    let key = lab.key().await.id;
    let (killed, revoked) = (waiting(&lab, None).await, waiting(&lab, Some(key.clone())).await);
    let removed = waiting(&lab, None).await;
    assert!(lab.store.kill(None, killed.session, &entry(AuditAction::SessionKill)).await.unwrap());
    assert_eq!(over(&lab, killed).await, (SessionState::Ended, Some(EndReason::SessionKilled), 1));
    assert!(lab.store.revoke_key(None, &key, &entry(AuditAction::KeyRevoke)).await.unwrap());
    assert_eq!(over(&lab, revoked).await, (SessionState::Ended, Some(EndReason::KeyRevoked), 1));
    assert_eq!(
        over(&lab, removed).await,
        (SessionState::Detached, None, 0),
        "it has nothing to do with them"
    );
    assert!(lab.remove_instance().await);
    assert_eq!(over(&lab, removed).await, (SessionState::Ended, Some(EndReason::InstanceRemoved), 1));
    assert_eq!(lab.store.sweep().await.unwrap(), []);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), []);
}

async fn a_returning_page_ends_on_the_node_that_carries_it(lab: Lab) {
    let (grant, token) = lab.grant(Some(1)).await;
    let (_, ticket) = lab.reserve_with_ticket(token).await;
    let first = accepted(lab.present(ticket).await).hold;
    lab.commit(first).await;
    let (_, fresh) = lab.rotate(ticket).await;
    // The first connection continues to show the screen until the second one does.
    let again = accepted(lab.present(fresh).await).hold;
    assert!(lab.store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap());
    assert_eq!(over(&lab, again).await, (SessionState::Detached, None, 0));
    let told = ToEnd { hold: again, reason: EndReason::LinkRevoked };
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), [told]);
}

async fn the_sweep_ends_the_waiting_sessions_beyond_one_batch(lab: Lab) {
    let key = lab.key().await.id;
    let (_, token) = lab.grant_by(None, Some(key.clone())).await;
    for _ in 0..=Store::SWEEP {
        let (_, ticket) = lab.reserve_with_ticket(token).await;
        let hold = accepted(lab.present(ticket).await).hold;
        lab.commit(hold).await;
        lab.store.detach(hold, SOME).await.unwrap();
    }
    assert!(lab.store.revoke_key(None, &key, &entry(AuditAction::KeyRevoke)).await.unwrap());
    let rest = lab.store.sweep().await.unwrap();
    assert_eq!(rest.iter().map(|swept| swept.reason).collect::<Vec<_>>(), [EndReason::KeyRevoked]);
    assert!(lab.store.sessions(None, Page::first(10), true).await.unwrap().is_empty());
}

async fn an_unknown_session_is_reported_as_unknown(lab: Lab) {
    let hold = Hold { session: SessionId(Uuid::now_v7()), turn: 1 };
    assert_eq!(end(&lab, hold, EndReason::ViewerClosed).await, Ending::Unknown);
    assert_eq!(lab.store.detach(hold, SOME).await.unwrap(), Ending::Unknown);
    assert!(!lab.store.kill(None, hold.session, &entry(AuditAction::SessionKill)).await.unwrap());
    assert!(
        !lab.store.give_back(hold, EndReason::InstanceGone, &entry(AuditAction::SessionFail)).await.unwrap()
    );
    assert!(lab.store.commit(hold, &entry(AuditAction::SessionStart)).await.is_err());
}

async fn the_audit_of_an_end_names_the_final_reason(lab: Lab) {
    let hold = live(&lab).await;
    lab.store.kill(None, hold.session, &entry(AuditAction::SessionKill)).await.unwrap();
    end(&lab, hold, EndReason::InstanceGone).await;
    end(&lab, hold, EndReason::InstanceGone).await;
    let records = lab.store.audit_records(&AuditQuery::default(), 100).await.unwrap();
    let ends: Vec<_> = records.iter().filter(|record| record.action == "session.end").collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].outcome, "session-killed");
}

async fn a_list_of_open_sessions_contains_no_others(lab: Lab) {
    let (ended, open) = (live(&lab).await, live(&lab).await);
    end(&lab, ended, EndReason::ViewerClosed).await;
    let listed = async |only_open| {
        let sessions = lab.store.sessions(None, Page::first(10), only_open).await.unwrap();
        sessions.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(true).await, [open.session]);
    assert_eq!(listed(false).await, [open.session, ended.session], "the newest first");
}
