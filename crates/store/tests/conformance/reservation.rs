//! Grants and their uses: reserve, commit, give back, and revocations in between.

use std::time::Duration;

use tokio::task::JoinSet;
use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_model::grant::Grant;
use transom_model::instance::InstanceStatus;
use transom_model::secret::TokenDigest;
use transom_model::session::SessionState;
use transom_store::{Change, Commit, InstanceChange, Page, Reservation, Store, StoreError, ToEnd, Traffic};

use crate::lab::{Lab, TTL, digest, entry, new_grant};

on_both_databases! {
    a_grant_reads_back_as_it_was_created,
    the_last_use_has_exactly_one_winner,
    every_use_has_one_winner,
    a_grant_without_a_count_is_used_until_it_expires,
    the_database_clock_determines_expiry,
    a_refusal_names_the_first_applicable_reason,
    a_failed_dial_returns_its_use_once,
    a_use_returns_if_its_ticket_is_never_presented,
    a_grant_needs_an_instance_of_its_own_project,
    a_commit_sees_an_earlier_revocation,
    a_revocation_concurrent_with_a_commit_is_always_found,
    a_change_of_status_or_credentials_ends_no_session,
    a_new_endpoint_ends_the_sessions_that_lead_to_the_old_one,
    a_list_of_live_grants_contains_no_others,
}

fn reason(reservation: Reservation) -> (EndReason, Option<Grant>) {
    match reservation {
        Reservation::Reserved(target) => panic!("reserved: {target:?}"),
        Reservation::Refused { reason, grant } => (reason, grant.map(|grant| *grant)),
    }
}

async fn uses_left(store: &Store, grant: &Grant) -> Option<u32> {
    store.grant(None, grant.id).await.unwrap().unwrap().grant.uses_left
}

async fn a_grant_reads_back_as_it_was_created(lab: Lab) {
    let key = lab.key().await;
    let mut new = new_grant(&lab.instance, Some(3), Some(key.id.clone()));
    new.rights.view_only = true;
    let grant = lab.store.create_grant(new.clone(), &entry(AuditAction::LinkCreate)).await.unwrap();
    assert_eq!((grant.id, grant.project, &grant.key), (new.id, lab.project.id, &Some(key.id)));
    assert_eq!((grant.instance_uid, &grant.instance), (lab.instance.uid, &lab.instance.id));
    assert_eq!((grant.rights, grant.request.clone()), (new.rights, new.request));
    assert_eq!((grant.uses, grant.uses_left, grant.revoked_at), (Some(3), Some(3), None));
    assert_eq!(grant.expires_at, grant.created_at.plus(TTL));
    assert_eq!(lab.store.grant(None, grant.id).await.unwrap().map(|shown| shown.grant), Some(grant));
}

/// Presents one token many times at once and returns the number of successes.
async fn storm(lab: &Lab, token: TokenDigest) -> usize {
    let mut reservations = JoinSet::new();
    for _ in 0..64 {
        let (store, session) = (lab.store.clone(), lab.new_session());
        reservations.spawn(async move { store.reserve(token, session, None).await });
    }
    let mut winners = 0;
    for reservation in reservations.join_all().await {
        match reservation.unwrap() {
            Reservation::Reserved(_) => winners += 1,
            Reservation::Refused { reason, .. } => assert_eq!(reason, EndReason::TokenSpent),
        }
    }
    winners
}

async fn the_last_use_has_exactly_one_winner(lab: Lab) {
    let (grant, token) = lab.grant(Some(1)).await;
    assert_eq!(storm(&lab, token).await, 1);
    assert_eq!(uses_left(&lab.store, &grant).await, Some(0));
    assert_eq!(lab.store.sessions(None, Page::first(100), false).await.unwrap().len(), 1);
}

async fn every_use_has_one_winner(lab: Lab) {
    let (_, token) = lab.grant(Some(7)).await;
    assert_eq!(storm(&lab, token).await, 7);
}

async fn a_grant_without_a_count_is_used_until_it_expires(lab: Lab) {
    let (grant, token) = lab.grant(None).await;
    assert_eq!(storm(&lab, token).await, 64);
    assert_eq!(uses_left(&lab.store, &grant).await, None);
}

async fn the_database_clock_determines_expiry(lab: Lab) {
    let (_, token) = lab.grant(None).await;
    lab.advance_clock(TTL - Duration::from_secs(30)).await;
    lab.reserve(token).await;
    lab.advance_clock(Duration::from_secs(30)).await;
    assert_eq!(reason(lab.try_reserve(token).await).0, EndReason::TokenExpired);
}

async fn a_refusal_names_the_first_applicable_reason(lab: Lab) {
    assert_eq!(reason(lab.try_reserve(digest()).await), (EndReason::TokenUnknown, None));

    let key = lab.key().await;
    let (grant, token) = lab.grant_by(Some(1), Some(key.id.clone())).await;
    let expect = async |expected: EndReason| {
        let (reason, named) = reason(lab.try_reserve(token).await);
        assert_eq!(reason, expected);
        assert_eq!(named.unwrap().id, grant.id);
    };
    let store = &lab.store;
    assert!(lab.remove_instance().await);
    expect(EndReason::InstanceRemoved).await;
    store.revoke_key(None, &key.id, &entry(AuditAction::KeyRevoke)).await.unwrap();
    expect(EndReason::KeyRevoked).await;
    store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap();
    expect(EndReason::LinkRevoked).await;
    lab.sql("UPDATE grants SET uses_left = 0").await;
    expect(EndReason::TokenSpent).await;
    lab.advance_clock(TTL).await;
    expect(EndReason::TokenExpired).await;
}

async fn a_failed_dial_returns_its_use_once(lab: Lab) {
    let (grant, token) = lab.grant(Some(1)).await;
    let target = lab.reserve(token).await;
    assert_eq!(uses_left(&lab.store, &grant).await, Some(0));
    assert!(lab.give_back(target.hold).await);
    assert!(!lab.give_back(target.hold).await, "the second time there is nothing to give back");
    assert_eq!(uses_left(&lab.store, &grant).await, Some(1));

    let session = lab.store.session(None, target.hold.session).await.unwrap().unwrap();
    assert_eq!(
        (session.state, session.end_reason),
        (SessionState::Ended, Some(EndReason::InstanceUnreachable))
    );
    assert!(session.ended_at.is_some());
    assert_eq!(lab.commit(target.hold).await, Commit::Ended(EndReason::InstanceUnreachable));
    lab.reserve(token).await;
}

/// The exchange's response was lost or the page's WebSocket did not open. The link must not lose
/// its use.
async fn a_use_returns_if_its_ticket_is_never_presented(lab: Lab) {
    let (grant, token) = lab.grant(Some(1)).await;
    lab.reserve_with_ticket(token).await;
    assert_eq!(uses_left(&lab.store, &grant).await, Some(0));
    lab.advance_clock(Store::FIRST_PRESENTATION + Duration::from_secs(1)).await;
    let swept = lab.store.sweep().await.unwrap();
    assert_eq!(swept.len(), 1);
    assert_eq!(uses_left(&lab.store, &grant).await, Some(1));
    lab.reserve_with_ticket(token).await;
}

async fn a_grant_needs_an_instance_of_its_own_project(lab: Lab) {
    let stranger = crate::lab::project(&lab.store, "stranger").await;
    let mut new = new_grant(&lab.instance, Some(1), None);
    new.project = stranger.id;
    let refused = lab.store.create_grant(new, &entry(AuditAction::LinkCreate)).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotFound("instance")), "{refused:?}");
}

async fn a_commit_sees_an_earlier_revocation(lab: Lab) {
    let (grant, token) = lab.grant(Some(1)).await;
    let target = lab.reserve(token).await;
    assert!(lab.store.revoke_grant(None, grant.id, &entry(AuditAction::LinkRevoke)).await.unwrap());
    assert_eq!(lab.commit(target.hold).await, Commit::Ended(EndReason::LinkRevoked));
    assert_eq!(uses_left(&lab.store, &grant).await, Some(0), "the use is not given back");

    let (_, token) = lab.grant(Some(1)).await;
    let target = lab.reserve(token).await;
    assert!(lab.store.kill(None, target.hold.session, &entry(AuditAction::SessionKill)).await.unwrap());
    assert_eq!(lab.commit(target.hold).await, Commit::Ended(EndReason::SessionKilled));

    let key = lab.key().await;
    let (_, token) = lab.grant_by(Some(1), Some(key.id.clone())).await;
    let target = lab.reserve(token).await;
    assert!(lab.store.revoke_key(None, &key.id, &entry(AuditAction::KeyRevoke)).await.unwrap());
    assert_eq!(lab.commit(target.hold).await, Commit::Ended(EndReason::KeyRevoked));

    let (_, token) = lab.grant(Some(1)).await;
    let target = lab.reserve(token).await;
    assert!(lab.remove_instance().await);
    assert_eq!(lab.commit(target.hold).await, Commit::Ended(EndReason::InstanceRemoved));

    let session = lab.store.session(None, target.hold.session).await.unwrap().unwrap();
    assert_eq!((session.state, session.end_reason), (SessionState::Ended, Some(EndReason::InstanceRemoved)));
}

async fn a_revocation_concurrent_with_a_commit_is_always_found(lab: Lab) {
    for _ in 0..20 {
        let (grant, token) = lab.grant(Some(1)).await;
        let hold = lab.reserve(token).await.hold;
        let before = lab.store.revision().await.unwrap();
        let (start, revoke) = (entry(AuditAction::SessionStart), entry(AuditAction::LinkRevoke));
        let (committed, revoked) =
            tokio::join!(lab.store.commit(hold, &start), lab.store.revoke_grant(None, grant.id, &revoke));
        assert!(revoked.unwrap());
        assert!(lab.store.revision().await.unwrap() > before);
        let told = lab.store.to_end(lab.node).await.unwrap();
        match committed.unwrap() {
            Commit::Ended(reason) => assert_eq!(reason, EndReason::LinkRevoked),
            Commit::Live => assert!(told.contains(&ToEnd { hold, reason: EndReason::LinkRevoked })),
        }
    }
}

async fn a_change_of_status_or_credentials_ends_no_session(lab: Lab) {
    let (_, token) = lab.grant(Some(1)).await;
    let hold = lab.reserve(token).await.hold;
    let revision = lab.store.revision().await.unwrap();
    let change = InstanceChange {
        status: Some(InstanceStatus::Stopped),
        username: Change::Set("ann".to_owned()),
        fingerprint: Change::Set("cd".repeat(32)),
        ..InstanceChange::default()
    };
    lab.store
        .update_instance(lab.project.id, &lab.instance.id, change, &entry(AuditAction::InstanceChange))
        .await
        .unwrap();
    assert_eq!(lab.store.revision().await.unwrap(), revision);
    assert_eq!(lab.commit(hold).await, Commit::Live);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), []);
}

async fn a_new_endpoint_ends_the_sessions_that_lead_to_the_old_one(lab: Lab) {
    let (_, token) = lab.grant(None).await;
    let reserved = lab.reserve(token).await.hold;
    let change = InstanceChange {
        endpoint: Some(("vnc://192.0.2.9".parse().unwrap(), lab.instance.endpoint_set_by)),
        ..InstanceChange::default()
    };
    lab.store
        .update_instance(lab.project.id, &lab.instance.id, change, &entry(AuditAction::InstanceChange))
        .await
        .unwrap();
    assert_eq!(lab.commit(reserved).await, Commit::Ended(EndReason::EndpointChanged));
    let new = lab.reserve(token).await.hold;
    assert_eq!(lab.commit(new).await, Commit::Live);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), []);
}

async fn a_list_of_live_grants_contains_no_others(lab: Lab) {
    let (spent, token) = lab.grant(Some(1)).await;
    let session = lab.reserve(token).await.hold;
    let (revoked, _) = lab.grant(Some(1)).await;
    lab.store.revoke_grant(None, revoked.id, &entry(AuditAction::LinkRevoke)).await.unwrap();
    let (reusable, _) = lab.grant(None).await;
    let (fresh, _) = lab.grant(Some(1)).await;
    let listed = async |only_live| {
        let grants = lab.store.grants(None, Page::first(10), only_live).await.unwrap();
        grants
            .into_iter()
            .map(|shown| (shown.grant.id, shown.refusal, shown.open_sessions))
            .collect::<Vec<_>>()
    };
    let (opens, used_up) = ((fresh.id, None, 0), (spent.id, Some(EndReason::TokenSpent), 1));
    let reopens = (reusable.id, None, 0);
    assert_eq!(listed(true).await, [opens, reopens, used_up], "what is used up has a session");
    let worthless = (revoked.id, Some(EndReason::LinkRevoked), 0);
    assert_eq!(listed(false).await, [opens, reopens, worthless, used_up]);
    lab.advance_clock(TTL).await;
    assert_eq!(listed(true).await, [(spent.id, Some(EndReason::TokenExpired), 1)]);
    lab.store
        .end(session, EndReason::ViewerClosed, Traffic::default(), &entry(AuditAction::SessionEnd))
        .await
        .unwrap();
    assert_eq!(listed(true).await, []);
}
