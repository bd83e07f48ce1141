//! Sessions of grants with unlimited use. Their reservations do not wait for the disk, and no
//! revocation fails to reach them.

use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_model::session::SessionState;
use transom_store::{AuditQuery, Commit, Ending, Store, ToEnd, Traffic};

use crate::lab::{Lab, entry};

on_both_databases! {
    an_uncounted_session_is_recorded_from_its_reservation_to_its_end,
    closing_completes_operations_without_hurry,
    a_revocation_during_the_dial_is_found,
    a_revocation_before_an_unwritten_start_alerts_the_node,
    a_revocation_concurrent_with_a_reservation_is_found,
    a_revocation_before_a_started_session_is_written_alerts_the_node,
}

async fn an_uncounted_session_is_recorded_from_its_reservation_to_its_end(lab: Lab) {
    let (grant, token) = lab.grant(None).await;
    let target = lab.reserve(token).await;
    lab.store.commit_soon(&target, &entry(AuditAction::SessionStart)).await.unwrap();
    let traffic = Traffic { to_viewer: 7, to_instance: 3 };
    let ended =
        lab.store.end(target.hold, EndReason::ViewerClosed, traffic, &entry(AuditAction::SessionEnd)).await;
    // The end is queued behind the two earlier operations, so all three are durable now.
    assert_eq!(ended.unwrap(), Ending::Ended(EndReason::ViewerClosed));
    let session = lab.store.session(None, target.hold.session).await.unwrap().unwrap();
    assert_eq!((session.state, session.grant, session.bytes_to_viewer), (SessionState::Ended, grant.id, 7));
    let records = lab.store.audit_records(&AuditQuery::default(), 100).await.unwrap();
    let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
    assert!(actions.ends_with(&["session.start", "session.end"]), "{actions:?}");
}

async fn closing_completes_operations_without_hurry(lab: Lab) {
    let (_, token) = lab.grant(None).await;
    let target = lab.reserve(token).await;
    lab.store.commit_soon(&target, &entry(AuditAction::SessionStart)).await.unwrap();
    lab.store.close().await;
    let store = Store::open(&lab.url).await.unwrap();
    let session = store.session(None, target.hold.session).await.unwrap().unwrap();
    assert_eq!(session.state, SessionState::Live);
}

async fn a_revocation_during_the_dial_is_found(lab: Lab) {
    let (grant, token) = lab.grant(None).await;
    let target = lab.reserve(token).await;
    lab.store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap();
    let to_end = ToEnd { hold: target.hold, reason: EndReason::LinkRevoked };
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), [to_end]);
    assert_eq!(lab.commit(target.hold).await, Commit::Ended(EndReason::LinkRevoked));
}

async fn a_revocation_before_an_unwritten_start_alerts_the_node(lab: Lab) {
    let (grant, token) = lab.grant(None).await;
    let target = lab.reserve(token).await;
    lab.store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap();
    let seen = lab.store.revision().await.unwrap();
    lab.store.commit_soon(&target, &entry(AuditAction::SessionStart)).await.unwrap();
    // This operation is queued behind it.
    lab.store.set_setting("x", b"").await.unwrap();
    assert!(lab.store.revision().await.unwrap() > seen, "the node was not called");
    let session = lab.store.session(None, target.hold.session).await.unwrap().unwrap();
    assert_eq!(session.state, SessionState::Reserved);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap().len(), 1);
}

/// Either the token opens nothing, or the node that checks after the revision was raised finds the
/// session, whether or not it was committed by then.
async fn a_revocation_concurrent_with_a_reservation_is_found(lab: Lab) {
    for begun in [true, false].repeat(10) {
        let (grant, token) = lab.grant(None).await;
        let revocation = entry(AuditAction::LinkRevoke);
        let (reserved, revoked) =
            tokio::join!(lab.try_reserve(token), lab.store.revoke_grant(None, grant.id, &revocation));
        revoked.unwrap();
        let transom_store::Reservation::Reserved(target) = reserved else { continue };
        if begun {
            lab.store.commit_soon(&target, &entry(AuditAction::SessionStart)).await.unwrap();
        }
        lab.store.set_setting("x", b"").await.unwrap();
        let to_end = lab.store.to_end(lab.node).await.unwrap();
        assert!(to_end.iter().any(|to_end| to_end.hold == target.hold), "{target:?} lives on");
        lab.end(target.hold, EndReason::LinkRevoked).await;
    }
}

/// The token is valid when it is looked up. The session starts, and is written after the
/// revocation.
async fn a_revocation_before_a_started_session_is_written_alerts_the_node(lab: Lab) {
    let (grant, token) = lab.grant(None).await;
    let seen = lab.store.revision().await.unwrap();
    let target = lab.reserve(token).await;
    // A direct statement, because the store's own queue would write the reservation first.
    lab.sql(&format!("UPDATE grants SET revoked_at = 1 WHERE id = '{}'", grant.id)).await;
    lab.store.commit_soon(&target, &entry(AuditAction::SessionStart)).await.unwrap();
    lab.store.set_setting("x", b"").await.unwrap();
    assert!(lab.store.revision().await.unwrap() > seen, "the node was not called");
    let session = lab.store.session(None, target.hold.session).await.unwrap().unwrap();
    assert_eq!(session.state, SessionState::Reserved);
    let to_end = ToEnd { hold: target.hold, reason: EndReason::LinkRevoked };
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), [to_end]);
    let records = lab.store.audit_records(&AuditQuery::default(), 100).await.unwrap();
    assert!(records.iter().all(|record| record.action != "session.start"), "{records:?}");
}
