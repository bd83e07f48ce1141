//! Resume tickets: resumption, takeover, and the second use of a ticket.

use std::time::Duration;

use futures_util::future::join_all;
use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_model::session::SessionState;
use transom_store::{AuditQuery, Commit, Ending, Hold, ResumeTicketOutcome, Store, ToEnd, Traffic};

use crate::lab::{Lab, TTL, accepted, digest, entry};

on_both_databases! {
    a_fresh_ticket_is_presented_once,
    a_page_returns_with_its_presented_ticket,
    a_ticket_that_was_never_issued_is_invalid,
    an_exchange_with_a_lost_response_can_be_repeated_once,
    an_exchange_with_a_lost_response_can_be_repeated_within_half_a_minute,
    an_old_ticket_of_a_detached_session_ends_nothing,
    two_of_many_exchanges_of_a_copied_ticket_succeed,
    a_ticket_is_exchangeable_only_if_the_exchange_changes_its_session,
    a_ticket_that_was_replaced_without_use_counts_as_spent,
    a_spent_ticket_ends_its_session,
    a_ticket_that_is_presented_twice_ends_its_session,
    one_of_many_concurrent_presenters_succeeds,
    the_newest_presenter_takes_over,
    a_node_learns_that_its_session_moved_to_another_node,
    a_ticket_expires_while_its_session_waits_but_not_while_it_is_live,
    a_resumed_session_stays_detached_if_its_dial_fails,
    a_ticket_of_an_ended_session_reports_the_reason,
    a_ticket_of_a_revoked_grant_opens_nothing,
}

async fn detach(lab: &Lab, hold: Hold) {
    assert_eq!(lab.store.detach(hold, Traffic::default()).await.unwrap(), Ending::Detached);
}

/// Asserts that the session was told to end, that its ticket is invalid, and that its node learns
/// of it.
async fn assert_replayed(
    lab: &Lab,
    outcome: ResumeTicketOutcome,
    hold: Hold,
    newest: transom_model::secret::TokenDigest,
) {
    match outcome {
        ResumeTicketOutcome::Replayed { session, project, .. } => {
            assert_eq!((session, project), (hold.session, lab.project.id));
        }
        other => panic!("{other:?}"),
    }
    let reason = EndReason::TicketReplayed;
    assert!(matches!(lab.rotate(newest).await.0, ResumeTicketOutcome::Ended(EndReason::TicketReplayed)));
    assert!(matches!(lab.present(newest).await, ResumeTicketOutcome::Ended(EndReason::TicketReplayed)));
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), [ToEnd { hold, reason }]);
    assert_eq!(lab.commit(hold).await, Commit::Ended(reason));

    let query = AuditQuery { session: Some(hold.session), ..AuditQuery::default() };
    let records = lab.store.audit_records(&query, 10).await.unwrap();
    assert_eq!(records.iter().filter(|record| record.action == "ticket.replay").count(), 1);
}

async fn a_fresh_ticket_is_presented_once(lab: Lab) {
    let (_, token) = lab.grant(Some(1)).await;
    let (reserved, ticket) = lab.reserve_with_ticket(token).await;
    assert!(reserved.ticket_expires_at.is_some());
    let target = accepted(lab.present(ticket).await);
    assert_eq!(target.state, SessionState::Reserved);
    assert_eq!(target.hold, Hold { turn: 2, ..reserved.hold });
    assert_eq!(
        (target.grant.id, target.instance.map(|instance| instance.uid)),
        (reserved.grant.id, Some(lab.instance.uid))
    );
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
    let session = lab.store.session(None, target.hold.session).await.unwrap().unwrap();
    assert_eq!((session.state, session.viewer.as_str()), (SessionState::Live, "192.0.2.8"));
}

async fn a_page_returns_with_its_presented_ticket(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    detach(&lab, hold).await;
    let (outcome, fresh) = lab.rotate(ticket).await;
    let target = accepted(outcome);
    assert_eq!((target.state, target.hold), (SessionState::Detached, hold));
    let target = accepted(lab.present(fresh).await);
    assert_eq!(target.hold, Hold { turn: hold.turn + 1, ..hold });
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), []);
}

async fn a_ticket_that_was_never_issued_is_invalid(lab: Lab) {
    lab.live_page().await;
    assert!(matches!(lab.present(digest()).await, ResumeTicketOutcome::Invalid));
    assert!(matches!(lab.rotate(digest()).await.0, ResumeTicketOutcome::Invalid));
}

async fn an_exchange_with_a_lost_response_can_be_repeated_once(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    detach(&lab, hold).await;
    accepted(lab.rotate(ticket).await.0);
    let (outcome, fresh) = lab.rotate(ticket).await;
    accepted(outcome);
    assert_old(&lab.rotate(ticket).await.0, hold);
    let target = accepted(lab.present(fresh).await);
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
    // After the successor was presented, a holder of the old ticket can only have a copy.
    let (outcome, _) = lab.rotate(ticket).await;
    assert_replayed(&lab, outcome, target.hold, fresh).await;
}

async fn an_exchange_with_a_lost_response_can_be_repeated_within_half_a_minute(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    detach(&lab, hold).await;
    let (_, newest) = lab.rotate(ticket).await;
    lab.advance_clock(Store::ANSWER_LOST).await;
    assert_old(&lab.rotate(ticket).await.0, hold);
    let target = accepted(lab.present(newest).await);
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
}

/// Asserts that the ticket was refused and the session is unchanged.
fn assert_old(outcome: &ResumeTicketOutcome, hold: Hold) {
    assert!(
        matches!(outcome, ResumeTicketOutcome::Old { session, .. } if *session == hold.session),
        "{outcome:?}"
    );
}

async fn an_old_ticket_of_a_detached_session_ends_nothing(lab: Lab) {
    let (hold, first) = lab.live_page().await;
    detach(&lab, hold).await;
    let before = lab.store.revision().await.unwrap();
    // The ticket is the newest and was presented once: a second WebSocket cannot use it.
    assert_old(&lab.present(first).await, hold);
    let (_, second) = lab.rotate(first).await;
    let (_, third) = lab.rotate(second).await;
    for old in [first, second] {
        assert_old(&lab.present(old).await, hold);
    }
    assert_old(&lab.rotate(first).await.0, hold);
    assert_eq!(lab.store.revision().await.unwrap(), before);
    let target = accepted(lab.present(third).await);
    assert_eq!(lab.commit(target.hold).await, Commit::Live);
}

async fn two_of_many_exchanges_of_a_copied_ticket_succeed(lab: Lab) {
    for live in [false, true] {
        let (hold, ticket) = lab.live_page().await;
        if !live {
            detach(&lab, hold).await;
        }
        let outcomes = join_all((0..16).map(|_| lab.rotate(ticket))).await;
        let count = |wanted: fn(&ResumeTicketOutcome) -> bool| {
            outcomes.iter().filter(|(outcome, _)| wanted(outcome)).count()
        };
        assert_eq!(count(|outcome| matches!(outcome, ResumeTicketOutcome::Accepted(_))), 2);
        if live {
            assert_eq!(count(|outcome| matches!(outcome, ResumeTicketOutcome::Replayed { .. })), 1);
            assert_eq!(
                count(|outcome| matches!(outcome, ResumeTicketOutcome::Ended(EndReason::TicketReplayed))),
                13
            );
            continue;
        }
        assert_eq!(count(|outcome| matches!(outcome, ResumeTicketOutcome::Old { .. })), 14);
        let mut good = 0;
        for (_, given) in
            outcomes.iter().filter(|(outcome, _)| matches!(outcome, ResumeTicketOutcome::Accepted(_)))
        {
            good += usize::from(lab.store.exchangeable(*given).await.unwrap().is_some());
        }
        assert_eq!(good, 1, "what the first was given is void");
    }
}

async fn a_ticket_is_exchangeable_only_if_the_exchange_changes_its_session(lab: Lab) {
    let (hold, first) = lab.live_page().await;
    let exchangeable = async |ticket| lab.store.exchangeable(ticket).await.unwrap();
    assert_eq!(exchangeable(first).await, Some(hold.session));
    let (_, second) = lab.rotate(first).await;
    assert_eq!(exchangeable(first).await, Some(hold.session), "once more");
    let (_, third) = lab.rotate(second).await;
    assert_eq!((exchangeable(first).await, exchangeable(third).await), (None, Some(hold.session)));
    lab.advance_clock(Store::ANSWER_LOST).await;
    assert_eq!(exchangeable(second).await, None);
    assert_eq!(exchangeable(digest()).await, None);
    lab.end(hold, EndReason::ViewerClosed).await;
    assert_eq!(exchangeable(third).await, None);
}

async fn a_ticket_that_was_replaced_without_use_counts_as_spent(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    let (_, thought_lost) = lab.rotate(ticket).await;
    let (_, newest) = lab.rotate(ticket).await;
    assert_replayed(&lab, lab.present(thought_lost).await, hold, newest).await;
}

async fn a_spent_ticket_ends_its_session(lab: Lab) {
    let (hold, first) = lab.live_page().await;
    let (_, second) = lab.rotate(first).await;
    let (_, third) = lab.rotate(second).await;
    let (outcome, _) = lab.rotate(first).await;
    assert_replayed(&lab, outcome, hold, third).await;

    let (hold, first) = lab.live_page().await;
    let (_, second) = lab.rotate(first).await;
    let outcome = lab.present(first).await;
    let told = lab.store.to_end(lab.node).await.unwrap();
    assert!(matches!(outcome, ResumeTicketOutcome::Replayed { .. }), "{outcome:?}");
    assert!(told.contains(&ToEnd { hold, reason: EndReason::TicketReplayed }));
    assert!(matches!(lab.present(second).await, ResumeTicketOutcome::Ended(EndReason::TicketReplayed)));
}

async fn a_ticket_that_is_presented_twice_ends_its_session(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    let before = lab.store.revision().await.unwrap();
    let outcome = lab.present(ticket).await;
    assert!(lab.store.revision().await.unwrap() > before);
    assert_replayed(&lab, outcome, hold, ticket).await;
}

async fn one_of_many_concurrent_presenters_succeeds(lab: Lab) {
    let (_, token) = lab.grant(Some(1)).await;
    let (_, ticket) = lab.reserve_with_ticket(token).await;
    let outcomes = join_all((0..16).map(|_| lab.present(ticket))).await;
    let count =
        |wanted: fn(&ResumeTicketOutcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    assert_eq!(count(|outcome| matches!(outcome, ResumeTicketOutcome::Accepted(_))), 1);
    assert_eq!(count(|outcome| matches!(outcome, ResumeTicketOutcome::Replayed { .. })), 1);
    assert_eq!(count(|outcome| matches!(outcome, ResumeTicketOutcome::Ended(EndReason::TicketReplayed))), 14);
}

async fn the_newest_presenter_takes_over(lab: Lab) {
    let (old, ticket) = lab.live_page().await;
    let (_, fresh) = lab.rotate(ticket).await;
    let target = accepted(lab.present(fresh).await);
    assert_eq!(target.state, SessionState::Live, "the caller learns that it takes over");
    let new = target.hold;

    assert_eq!(lab.commit(old).await, Commit::Ended(EndReason::TakenOver));
    assert_eq!(lab.commit(new).await, Commit::Live);
    let traffic = Traffic { to_viewer: 5, to_instance: 3 };
    assert_eq!(lab.store.detach(old, traffic).await.unwrap(), Ending::TakenOver);
    assert_eq!(lab.end(old, EndReason::TakenOver).await, Ending::TakenOver);
    assert!(!lab.give_back(old).await);

    let session = lab.store.session(None, new.session).await.unwrap().unwrap();
    assert_eq!(session.state, SessionState::Live);
    assert_eq!(
        (session.bytes_to_viewer, session.bytes_to_instance),
        (5, 3),
        "bytes count whoever moved them"
    );
}

async fn a_node_learns_that_its_session_moved_to_another_node(lab: Lab) {
    let elsewhere = lab.another_node().await;
    let (old, ticket) = lab.live_page().await;
    let (_, fresh) = lab.rotate(ticket).await;
    let before = lab.store.revision().await.unwrap();
    let new = accepted(lab.present_at(elsewhere, fresh).await).hold;
    assert!(lab.store.revision().await.unwrap() > before);
    lab.commit(new).await;
    let told = [ToEnd { hold: old, reason: EndReason::TakenOver }];
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), told);
    assert_eq!(lab.store.to_end(elsewhere.id).await.unwrap(), []);
    assert_eq!(lab.store.session(None, new.session).await.unwrap().unwrap().node, elsewhere.id);

    // After the return, the other node learns of the takeover, and this one no longer does.
    let (_, fresh) = lab.rotate(fresh).await;
    lab.commit(accepted(lab.present(fresh).await).hold).await;
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), []);
    assert_eq!(
        lab.store.to_end(elsewhere.id).await.unwrap(),
        [ToEnd { hold: new, reason: EndReason::TakenOver }]
    );
}

async fn a_ticket_expires_while_its_session_waits_but_not_while_it_is_live(lab: Lab) {
    let (_, token) = lab.grant(None).await;
    let (_, never_presented) = lab.reserve_with_ticket(token).await;
    let (hold, ticket) = lab.live_page().await;
    lab.advance_clock(TTL * 100).await;
    assert!(matches!(lab.present(never_presented).await, ResumeTicketOutcome::Expired));
    assert!(matches!(lab.rotate(never_presented).await.0, ResumeTicketOutcome::Expired));

    // The time begins when the viewer is lost, however long the session was live, and each exchange
    // restarts it.
    detach(&lab, hold).await;
    let almost = TTL - Duration::from_secs(60);
    lab.advance_clock(almost).await;
    let (outcome, fresh) = lab.rotate(ticket).await;
    assert_eq!(accepted(outcome).age.as_secs() / 60, (TTL * 100 + almost).as_secs() / 60);
    lab.advance_clock(almost).await;
    let (outcome, fresh) = lab.rotate(fresh).await;
    accepted(outcome);
    lab.advance_clock(TTL).await;
    assert!(matches!(lab.present(fresh).await, ResumeTicketOutcome::Expired));
}

async fn a_resumed_session_stays_detached_if_its_dial_fails(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    detach(&lab, hold).await;
    let (_, fresh) = lab.rotate(ticket).await;
    let target = accepted(lab.present(fresh).await);
    assert!(!lab.give_back(target.hold).await);
    let session = lab.store.session(None, hold.session).await.unwrap().unwrap();
    assert_eq!(session.state, SessionState::Detached);
    assert_eq!(lab.store.grant(None, target.grant.id).await.unwrap().unwrap().grant.uses_left, Some(0));
    let (_, again) = lab.rotate(fresh).await;
    assert_eq!(lab.commit(accepted(lab.present(again).await).hold).await, Commit::Live);
}

async fn a_ticket_of_an_ended_session_reports_the_reason(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    lab.end(hold, EndReason::SessionIdle).await;
    assert!(matches!(lab.present(ticket).await, ResumeTicketOutcome::Ended(EndReason::SessionIdle)));
    assert!(matches!(lab.rotate(ticket).await.0, ResumeTicketOutcome::Ended(EndReason::SessionIdle)));
}

async fn a_ticket_of_a_revoked_grant_opens_nothing(lab: Lab) {
    let (hold, ticket) = lab.live_page().await;
    let grant = lab.store.session(None, hold.session).await.unwrap().unwrap().grant;
    lab.store.revoke_grant(None, grant, &entry(AuditAction::LinkRevoke)).await.unwrap();
    assert!(matches!(lab.rotate(ticket).await.0, ResumeTicketOutcome::Ended(EndReason::LinkRevoked)));
    let told = [ToEnd { hold, reason: EndReason::LinkRevoked }];
    assert_eq!(lab.store.to_end(lab.node).await.unwrap(), told, "its node still has to cut it");
}
