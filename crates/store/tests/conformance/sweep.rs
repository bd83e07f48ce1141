//! The sweep, orphaned sessions of a dead node, and retention.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_model::session::SessionState;
use transom_store::{AuditQuery, Commit, Deleted, Earlier, Ending, Retention, Store, Traffic};

use crate::lab::{self, Lab, TTL, accepted, entry};

on_both_databases! {
    a_reserved_session_that_lapses_returns_its_use,
    a_detached_session_that_lapses_ends_as_viewer_lost,
    a_live_session_does_not_lapse,
    another_node_sweeps_the_sessions_of_a_dead_node,
    a_killed_session_of_a_dead_node_is_ended,
    the_sessions_of_an_earlier_process_can_be_resumed,
    a_revoked_session_that_lapses_ends_for_that_reason,
    old_rows_are_deleted_in_small_batches,
}

async fn state(lab: &Lab, session: transom_model::id::SessionId) -> (SessionState, Option<EndReason>) {
    let session = lab.store.session(None, session).await.unwrap().unwrap();
    (session.state, session.end_reason)
}

async fn swept(lab: &Lab) -> Vec<(transom_model::id::SessionId, EndReason)> {
    lab.store.sweep().await.unwrap().into_iter().map(|swept| (swept.session, swept.reason)).collect()
}

async fn a_reserved_session_that_lapses_returns_its_use(lab: Lab) {
    let mut long = crate::lab::new_grant(&lab.instance, Some(2), None);
    long.ttl = TTL * 10;
    let grant = lab.store.create_grant(long.clone(), &entry(AuditAction::LinkCreate)).await.unwrap();
    let (with_ticket, _) = lab.reserve_with_ticket(long.token).await;
    let without = lab.reserve(long.token).await;
    assert_eq!(swept(&lab).await, []);
    lab.advance_clock(Store::FIRST_PRESENTATION).await;
    assert_eq!(swept(&lab).await, [(with_ticket.hold.session, EndReason::ViewerLost)]);
    lab.advance_clock(Store::RESERVATION_LIMIT).await;
    assert_eq!(swept(&lab).await, [(without.hold.session, EndReason::ViewerLost)]);
    assert_eq!(lab.store.grant(None, grant.id).await.unwrap().unwrap().grant.uses_left, Some(2));
    assert_eq!(lab.commit(without.hold).await, Commit::Ended(EndReason::ViewerLost));

    let query = AuditQuery { session: Some(without.hold.session), ..AuditQuery::default() };
    let record = lab.store.audit_records(&query, 10).await.unwrap().remove(0);
    assert_eq!((record.actor.as_str(), record.action.as_str()), ("transom", "session.end"));
    assert_eq!((record.grant, record.project), (Some(grant.id), Some(lab.project.id)));
}

async fn a_detached_session_that_lapses_ends_as_viewer_lost(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    lab.store.detach(hold, Traffic::default()).await.unwrap();
    assert_eq!(swept(&lab).await, []);
    lab.advance_clock(TTL).await;
    assert_eq!(swept(&lab).await, [(hold.session, EndReason::ViewerLost)]);
    assert_eq!(swept(&lab).await, []);
}

async fn a_live_session_does_not_lapse(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    lab.advance_clock(TTL * 100).await;
    assert_eq!(swept(&lab).await, []);
    assert_eq!(state(&lab, hold.session).await.0, SessionState::Live);
}

async fn another_node_sweeps_the_sessions_of_a_dead_node(lab: Lab) {
    let (with_ticket, ticket) = lab.live_page().await;
    let (_, token) = lab.grant(Some(1)).await;
    let without = lab.reserve(token).await.hold;
    lab.commit(without).await;
    assert_eq!(swept(&lab).await, []);

    let survivor = lab.another_node().await;
    lab.lose(lab.life()).await;
    lab.store.let_go().await.unwrap();
    assert_eq!(swept(&lab).await, [(without.session, EndReason::ViewerLost)]);
    assert_eq!(state(&lab, with_ticket.session).await.0, SessionState::Detached);
    let (_, fresh) = lab.rotate(ticket).await;
    let target = accepted(lab.present_at(survivor, fresh).await);
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
}

async fn a_killed_session_of_a_dead_node_is_ended(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    lab.store.kill(None, hold.session, &entry(AuditAction::SessionKill)).await.unwrap();
    // A living node ends this session. If the sweep ended it, it would continue on that node
    // unseen.
    lab.advance_clock(TTL * 100).await;
    assert_eq!(swept(&lab).await, []);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap().len(), 1);
    lab.lose(lab.life()).await;
    lab.store.let_go().await.unwrap();
    assert_eq!(swept(&lab).await, [(hold.session, EndReason::SessionKilled)]);
}

async fn the_sessions_of_an_earlier_process_can_be_resumed(lab: Lab) {
    let (paged, ticket) = lab.live_page().await;
    let (grant, token) = lab.grant(Some(2)).await;
    let direct = lab.reserve(token).await.hold;
    lab.commit(direct).await;
    let dialling = lab.reserve(token).await.hold;
    let (_, token) = lab.grant(Some(1)).await;
    let (exchanged, waiting) = lab.reserve_with_ticket(token).await;

    lab.another_node().await;
    assert_eq!(
        state(&lab, paged.session).await.0,
        SessionState::Live,
        "another node's start is not its business"
    );
    lab::life(&lab.store, Earlier::Over, lab.node).await.unwrap();
    assert_eq!(state(&lab, paged.session).await.0, SessionState::Detached);
    let mut ended = swept(&lab).await;
    ended.sort_unstable();
    assert_eq!(ended, [(direct.session, EndReason::ViewerLost), (dialling.session, EndReason::ViewerLost)]);
    assert_eq!(
        lab.store.grant(None, grant.id).await.unwrap().unwrap().grant.uses_left,
        Some(1),
        "of the one in reserve"
    );

    let (_, fresh) = lab.rotate(ticket).await;
    let target = accepted(lab.present(fresh).await);
    assert_eq!((target.state, target.hold.session), (SessionState::Detached, paged.session));
    let target = accepted(lab.present(waiting).await);
    assert_eq!((target.state, target.hold.session), (SessionState::Reserved, exchanged.hold.session));
}

async fn a_revoked_session_that_lapses_ends_for_that_reason(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    // The instance is removed while a connection carries the session; then the node dies.
    assert!(lab.remove_instance().await);
    lab.lose(lab.life()).await;
    lab.store.let_go().await.unwrap();
    lab.advance_clock(TTL).await;
    assert_eq!(swept(&lab).await, [(hold.session, EndReason::InstanceRemoved)]);
}

async fn old_rows_are_deleted_in_small_batches(lab: Lab) {
    let (open, _) = lab.live_page().await;
    for _ in 0..5 {
        let (_, token) = lab.grant(Some(1)).await;
        let hold = lab.reserve(token).await.hold;
        lab.end(hold, EndReason::ViewerClosed).await;
    }
    let delete = async || {
        let now = lab.store.now().await.unwrap();
        lab.store.delete_old(Retention { grants_before: now, audit_before: now, limit: 3 }).await.unwrap()
    };
    let before = lab.store.now().await.unwrap().minus(TTL);
    let nothing = Retention { grants_before: before, audit_before: before, limit: 3 };
    assert_eq!(lab.store.delete_old(nothing).await.unwrap(), Deleted::default());
    lab.advance_clock(TTL + Duration::from_secs(1)).await;
    assert_eq!(delete().await, Deleted { grants: 3, audit_records: 3 });
    assert_eq!(delete().await.grants, 2);
    assert_eq!(delete().await.grants, 0, "the grant of an open session stays");
    assert_eq!(state(&lab, open.session).await.0, SessionState::Live);
    assert_eq!(lab.end(open, EndReason::ViewerClosed).await, Ending::Ended(EndReason::ViewerClosed));
    assert_eq!(delete().await.grants, 1);
    while delete().await.audit_records > 0 {}
    let newest = lab.store.audit_records(&AuditQuery::default(), 10).await.unwrap();
    assert_eq!(newest.len(), 1, "the newest record stays, so that its number is not used again");
    lab.store.audit(&entry(AuditAction::InstanceTest)).await.unwrap();
    let next = lab.store.audit_records(&AuditQuery::default(), 1).await.unwrap();
    assert_eq!(next[0].seq, newest[0].seq + 1);
}
