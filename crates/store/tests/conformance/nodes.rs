//! Nodes: liveness, declarations as gone, and the holds of a node that was declared gone.

use std::time::Duration;

use transom_model::EndReason;
use transom_model::audit_action::AuditAction;
use transom_model::id::{NodeId, SessionId};
use transom_model::session::SessionState;
use transom_store::{Earlier, Hold, Node, NodeState, Store, ToEnd};
use uuid::Uuid;

use crate::lab::{Lab, accepted, entry, life};

on_both_databases! {
    a_node_beats_until_it_is_declared_gone,
    a_node_whose_beat_has_changed_is_not_declared_gone,
    an_id_has_one_life_at_a_time,
    a_node_without_a_number_gets_one_when_it_starts,
    a_jump_of_the_clock_ends_neither_a_node_nor_a_session,
    a_killed_session_ends_on_the_node_that_carries_it,
    a_node_learns_which_holds_it_has_lost,
    a_full_batch_of_holds_takes_one_query,
    gone_nodes_are_listed_for_a_day,
}

async fn states(lab: &Lab) -> Vec<NodeState> {
    lab.store.pulses().await.unwrap().into_iter().map(|pulse| pulse.state).collect()
}

async fn a_node_beats_until_it_is_declared_gone(lab: Lab) {
    let own = lab.life();
    assert!(lab.store.beat(own).await.unwrap());
    assert_eq!(states(&lab).await, [NodeState::Live]);
    lab.lose(own).await;
    assert!(!lab.store.beat(own).await.unwrap());
    assert_eq!(states(&lab).await, [NodeState::Gone]);
    let again = life(&lab.store, Earlier::Own(own.incarnation), own.id).await.unwrap();
    assert_eq!(again, Node { incarnation: 2, ..own });
    assert!(lab.store.beat(again).await.unwrap());
    assert!(!lab.store.beat(own).await.unwrap(), "the life before is over");
}

async fn a_node_whose_beat_has_changed_is_not_declared_gone(lab: Lab) {
    let seen = lab.store.pulses().await.unwrap().remove(0);
    assert!(lab.store.beat(lab.life()).await.unwrap());
    assert!(!lab.store.declare_gone(seen).await.unwrap());
    assert_eq!(states(&lab).await, [NodeState::Live]);
    let seen = lab.store.pulses().await.unwrap().remove(0);
    assert!(lab.store.declare_gone(seen).await.unwrap());
    assert!(!lab.store.declare_gone(seen).await.unwrap(), "once");
}

async fn an_id_has_one_life_at_a_time(lab: Lab) {
    let own = lab.life();
    assert_eq!(life(&lab.store, Earlier::Unknown, own.id).await, None);
    assert_eq!(life(&lab.store, Earlier::Own(7), own.id).await, None);
    assert!(lab.store.beat(own).await.unwrap(), "nothing was changed");
    let over = life(&lab.store, Earlier::Over, own.id).await.unwrap();
    assert_eq!(over.incarnation, 2);
    lab.store.retire_node(own).await.unwrap();
    assert!(lab.store.beat(over).await.unwrap(), "the life before retires nobody else");
    lab.store.retire_node(over).await.unwrap();
    assert_eq!(life(&lab.store, Earlier::Unknown, own.id).await.unwrap().incarnation, 3);
}

/// A row that a program from before the migration of nodes left, as that migration filled it.
async fn a_node_without_a_number_gets_one_when_it_starts(lab: Lab) {
    let old = NodeId(Uuid::now_v7());
    lab.sql(&format!("INSERT INTO nodes (id, seen_at, enforced) VALUES ('{old}', 0, 0)")).await;
    let numbers =
        async || lab.texts("SELECT CAST(COALESCE(number, 0) AS TEXT) FROM nodes ORDER BY number").await;
    lab.store.close().await;
    let store = Store::open(&lab.url).await.unwrap();
    let begun = life(&store, Earlier::Unknown, old).await.unwrap();
    assert_eq!((begun.incarnation, numbers().await), (1, vec!["1".to_owned(), "2".to_owned()]));
    // The node retains its number; the next number belongs to another node.
    life(&store, Earlier::Over, old).await.unwrap();
    life(&store, Earlier::Unknown, NodeId(Uuid::now_v7())).await.unwrap();
    assert_eq!(numbers().await, ["1", "2", "3"]);
}

async fn a_jump_of_the_clock_ends_neither_a_node_nor_a_session(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    let (_, token) = lab.grant(None).await;
    let direct = lab.reserve(token).await.hold;
    lab.commit(direct).await;
    let other = lab.another_node().await;
    lab.advance_clock(Duration::from_secs(75)).await;
    assert_eq!(lab.store.sweep().await.unwrap(), []);
    assert_eq!(lab.store.let_go().await.unwrap(), 0);
    for node in [lab.life(), other] {
        assert!(lab.store.beat(node).await.unwrap());
    }
    for session in [hold.session, direct.session] {
        let state = lab.store.session(None, session).await.unwrap().unwrap().state;
        assert_eq!(state, SessionState::Live);
    }
    assert_eq!(lab.store.lost_holds(lab.life(), vec![hold, direct]).await.unwrap(), []);
}

async fn a_killed_session_ends_on_the_node_that_carries_it(lab: Lab) {
    let (hold, _) = lab.live_page().await;
    let (_, token) = lab.grant(None).await;
    let dialling = lab.reserve(token).await.hold;
    for session in [hold.session, dialling.session] {
        assert!(lab.store.kill(None, session, &entry(AuditAction::SessionKill)).await.unwrap());
        lab.advance_clock(Duration::from_secs(75)).await;
        assert_eq!(lab.store.sweep().await.unwrap(), [], "its node has not ended it yet");
    }
    let mut told = lab.store.to_end(lab.node).await.unwrap();
    told.sort_by_key(|told| told.hold.session != hold.session);
    let killed = |hold| ToEnd { hold, reason: EndReason::SessionKilled };
    assert_eq!(told, [killed(hold), killed(dialling)]);
    // A page whose dial failed while it was returning.
    let (resumed, ticket) = lab.live_page().await;
    lab.store.detach(resumed, transom_store::Traffic::default()).await.unwrap();
    let (_, fresh) = lab.rotate(ticket).await;
    let again = accepted(lab.present(fresh).await).hold;
    assert!(lab.store.kill(None, again.session, &entry(AuditAction::SessionKill)).await.unwrap());
    assert_eq!(lab.store.sweep().await.unwrap(), []);
    assert!(lab.give_back(again).await, "it ends with its connection");
}

async fn a_node_learns_which_holds_it_has_lost(lab: Lab) {
    let own = lab.life();
    let (known, _) = lab.live_page().await;
    let (_, token) = lab.grant(None).await;
    let dialling = lab.reserve(token).await.hold;
    let (ended, _) = lab.live_page().await;
    lab.end(ended, EndReason::SessionIdle).await;
    let (taken, ticket) = lab.live_page().await;
    let (_, fresh) = lab.rotate(ticket).await;
    let new = accepted(lab.present(fresh).await).hold;
    let (detached, _) = lab.live_page().await;
    lab.store.detach(detached, transom_store::Traffic::default()).await.unwrap();
    let unknown = Hold { session: SessionId(Uuid::now_v7()), turn: 1 };
    let lost = |hold, reason| ToEnd { hold, reason };
    let holds = vec![known, dialling, ended, taken, new, detached, unknown];
    assert_eq!(
        lab.store.lost_holds(own, holds.clone()).await.unwrap(),
        [
            lost(ended, EndReason::SessionIdle),
            lost(taken, EndReason::TakenOver),
            lost(detached, EndReason::StoreUnavailable),
            lost(unknown, EndReason::StoreUnavailable),
        ]
    );
    assert_eq!(lab.store.lost_holds(own, Vec::new()).await.unwrap(), []);
    // The sweep of a node that was declared gone ends a session that its viewer never left.
    let (_, token) = lab.grant(None).await;
    let swept = lab.reserve(token).await.hold;
    lab.end(swept, EndReason::ViewerLost).await;
    assert_eq!(
        lab.store.lost_holds(own, vec![swept]).await.unwrap(),
        [lost(swept, EndReason::StoreUnavailable)]
    );
    // A hold of another life or of another node does not count.
    let other = lab.another_node().await;
    for node in [Node { incarnation: 2, ..own }, other] {
        let all = lab.store.lost_holds(node, vec![known, dialling]).await.unwrap();
        assert_eq!(
            all,
            [lost(known, EndReason::StoreUnavailable), lost(dialling, EndReason::StoreUnavailable)]
        );
    }
}

async fn a_full_batch_of_holds_takes_one_query(lab: Lab) {
    let (known, _) = lab.live_page().await;
    let mut holds = vec![known];
    holds.resize_with(Store::HOLDS, || Hold { session: SessionId(Uuid::now_v7()), turn: 1 });
    let lost = lab.store.lost_holds(lab.life(), holds.clone()).await.unwrap();
    assert_eq!(lost.len(), Store::HOLDS - 1);
    assert!(lost.iter().all(|lost| lost.hold != known));
}

async fn gone_nodes_are_listed_for_a_day(lab: Lab) {
    let (other, now) = (lab.another_node().await, lab.store.now().await.unwrap());
    lab.lose(other).await;
    let delete = async || {
        let old = transom_store::Retention { grants_before: now, audit_before: now, limit: 1 };
        lab.store.delete_old(old).await.unwrap();
        states(&lab).await.len()
    };
    assert_eq!(delete().await, 2);
    lab.advance_clock(Duration::from_secs(25 * 3600)).await;
    assert_eq!(delete().await, 1);
    assert!(lab.store.beat(lab.life()).await.unwrap(), "who lives stays");
}
