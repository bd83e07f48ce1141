//! Links with an end: no session outlives its link, whichever connection carries it.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_model::session::SessionState;
use transom_store::{Commit, Reservation, ResumeTicketOutcome, ToEnd, TokenStanding, Traffic};

use crate::lab::{Lab, TTL, accepted, entry};

/// Shorter than the lifetimes of a ticket and of a link.
const SHORT: Duration = Duration::from_secs(60);

on_both_databases! {
    a_link_that_ended_opens_nothing,
    a_link_reports_its_remaining_time,
    a_live_session_must_end_when_its_link_has_ended,
    a_page_cannot_return_after_the_end,
    no_session_goes_live_after_its_end,
    a_detached_session_ends_with_its_link_even_if_its_ticket_is_still_valid,
    a_node_that_still_carries_an_ended_session_is_reminded,
    an_open_session_precedes_any_number_of_newer_ended_ones,
}

async fn a_link_that_ended_opens_nothing(lab: Lab) {
    let (grant, token) = lab.ending(SHORT).await;
    let lasts = grant.ends_at.unwrap().0 - grant.created_at.0;
    assert_eq!(lasts, 60_000_000);
    assert_eq!(Some(grant.expires_at), grant.ends_at, "what is over opens nothing");
    assert_eq!(lab.store.grant(None, grant.id).await.unwrap().map(|shown| shown.grant), Some(grant));
    lab.advance_clock(SHORT).await;
    let TokenStanding::Refused { reason, .. } = lab.store.token_standing(token).await.unwrap() else {
        panic!("it stands");
    };
    assert_eq!(reason, EndReason::LinkEnded);
    let Reservation::Refused { reason, .. } = lab.try_reserve(token).await else { panic!("it opens") };
    assert_eq!(reason, EndReason::LinkEnded);

    let (longer, _) = lab.ending(TTL * 2).await;
    assert!(Some(longer.expires_at) < longer.ends_at, "it may end later than it opens");
}

async fn a_link_reports_its_remaining_time(lab: Lab) {
    let (_, token) = lab.ending(SHORT).await;
    let near = |left: Option<Duration>, most: u64| {
        let left = left.expect("it ends");
        assert!(left <= Duration::from_secs(most) && left > Duration::from_secs(most - 20), "{left:?}");
    };
    near(lab.reserve(token).await.ends_in, 60);
    let (first, ticket) = lab.reserve_with_ticket(token).await;
    near(first.ends_in, 60);
    lab.advance_clock(Duration::from_secs(25)).await;
    let (outcome, ticket) = lab.rotate(ticket).await;
    near(accepted(outcome).ends_in, 35);
    near(accepted(lab.present(ticket).await).ends_in, 35);
    let (_, endless) = lab.grant(None).await;
    assert_eq!(lab.reserve(endless).await.ends_in, None);
}

async fn a_live_session_must_end_when_its_link_has_ended(lab: Lab) {
    let (_, token) = lab.ending(SHORT).await;
    let target = lab.reserve(token).await;
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), []);
    lab.advance_clock(SHORT).await;
    let found = lab.store.to_end(lab.node).await.unwrap();
    assert_eq!(found, [ToEnd { hold: target.hold, reason: EndReason::LinkEnded }]);
}

async fn a_page_cannot_return_after_the_end(lab: Lab) {
    let (_, token) = lab.ending(SHORT).await;
    let (_, ticket) = lab.reserve_with_ticket(token).await;
    let hold = accepted(lab.present(ticket).await).hold;
    lab.commit(hold).await;
    lab.store.detach(hold, Traffic::default()).await.unwrap();
    let (outcome, ticket) = lab.rotate(ticket).await;
    accepted(outcome);
    lab.advance_clock(SHORT).await;
    let refused = |outcome| matches!(outcome, ResumeTicketOutcome::Ended(EndReason::LinkEnded));
    assert!(refused(lab.rotate(ticket).await.0));
    assert!(refused(lab.present(ticket).await));
}

async fn no_session_goes_live_after_its_end(lab: Lab) {
    let (_, token) = lab.ending(SHORT).await;
    let (_, ticket) = lab.reserve_with_ticket(token).await;
    let hold = accepted(lab.present(ticket).await).hold;
    lab.advance_clock(SHORT).await;
    assert_eq!(lab.commit(hold).await, Commit::Ended(EndReason::LinkEnded));
}

async fn a_detached_session_ends_with_its_link_even_if_its_ticket_is_still_valid(lab: Lab) {
    let (_, token) = lab.ending(SHORT).await;
    let (_, ticket) = lab.reserve_with_ticket(token).await;
    let hold = accepted(lab.present(ticket).await).hold;
    lab.commit(hold).await;
    lab.store.detach(hold, Traffic::default()).await.unwrap();
    assert_eq!(lab.store.sweep().await.unwrap(), []);
    lab.advance_clock(SHORT).await;
    let swept = lab.store.sweep().await.unwrap();
    assert_eq!(swept.len(), 1);
    let session = lab.store.session(None, hold.session).await.unwrap().unwrap();
    assert_eq!((session.state, session.end_reason), (SessionState::Ended, Some(EndReason::LinkEnded)));
}

async fn a_node_that_still_carries_an_ended_session_is_reminded(lab: Lab) {
    let (_, token) = lab.ending(SHORT).await;
    let target = lab.reserve(token).await;
    lab.commit(target.hold).await;
    let before = lab.store.revision().await.unwrap();
    lab.store.sweep().await.unwrap();
    assert_eq!(lab.store.revision().await.unwrap(), before);
    lab.advance_clock(SHORT * 2).await;
    lab.store.sweep().await.unwrap();
    assert!(lab.store.revision().await.unwrap() > before, "its node looks at what it carries");
    lab.store
        .end(target.hold, EndReason::LinkEnded, Traffic::default(), &entry(AuditAction::SessionEnd))
        .await
        .unwrap();
    let settled = lab.store.revision().await.unwrap();
    lab.store.sweep().await.unwrap();
    assert_eq!(lab.store.revision().await.unwrap(), settled);
}

async fn an_open_session_precedes_any_number_of_newer_ended_ones(lab: Lab) {
    let (grant, token) = lab.grant(None).await;
    let (_, elsewhere) = lab.grant(None).await;
    let sessions = async |since, limit| {
        let found = lab.store.sessions_of_grant(grant.id, since, limit).await.unwrap();
        found.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    let open = async || lab.store.has_open_session(grant.id).await.unwrap();
    assert!(!open().await);
    let old = lab.reserve(token).await;
    lab.commit(old.hold).await;
    lab.reserve(elsewhere).await;
    let mut all = vec![old.hold.session];
    for _ in 0..4 {
        let target = lab.reserve(token).await;
        lab.end(target.hold, EndReason::ViewerClosed).await;
        all.insert(0, target.hold.session);
    }
    lab.advance_clock(SHORT).await;
    let now = lab.store.now().await.unwrap();
    assert_eq!(sessions(now, 9).await, all, "the newest first");
    assert_eq!(sessions(now, 2).await, [all[0], all[4]], "the open one among them");
    assert!(open().await);
    lab.end(old.hold, EndReason::LinkRevoked).await;
    assert!(!open().await);
    assert_eq!(sessions(now, 2).await, [all[0], all[4]], "and the one that has just ended");
    lab.advance_clock(SHORT).await;
    assert_eq!(sessions(lab.store.now().await.unwrap(), 2).await, all[..2]);
}
