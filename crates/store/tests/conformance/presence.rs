//! Presence: its changes, their order, and the devices of a node that is gone.

use tokio::task::JoinSet;
use transom_model::access_key::AccessKey;
use transom_model::audit::Origin;
use transom_model::audit_action::AuditAction;
use transom_model::cloud::{CloudAddress, CloudPassword, DeviceReport, PresenceState, Reach};
use transom_store::{Earlier, Joining, NewAddress, PresenceQuery};

use crate::lab::{self, Lab, TTL, entry};

/// The credential of most devices.
const PASSWORD: Joining = Joining::Password { end_to_end_only: false, program: None, report: NOTHING_SAID };
const NOTHING_SAID: DeviceReport =
    DeviceReport { host_name: None, targets: Vec::new(), key: None, run: None };
/// An origin that no test examines.
const NOWHERE: Origin = Origin { source: None, user_agent: None };

on_both_databases! {
    a_follower_receives_all_of_many_concurrent_joins,
    a_node_that_starts_again_has_no_devices,
    the_devices_of_a_gone_node_are_offline,
    a_late_departure_does_not_undo_a_later_join,
}

pub(crate) async fn issue(lab: &Lab, key: &AccessKey, n: u8) -> CloudAddress {
    let new = NewAddress {
        address: CloudAddress::issue(lab.project.id, &key.id, [n; 32]),
        key: key.id.clone(),
        name: None,
        reach: Reach::Listen { access: None },
        verifier: CloudPassword::from_random([n; 40]).verifier([n; 16]),
    };
    lab.store.create_address(new, &entry(AuditAction::AddressCreate)).await.unwrap().address
}

async fn told(lab: &Lab, after: i64) -> Vec<(CloudAddress, PresenceState)> {
    let changes = lab.store.presence_changes(&PresenceQuery::default(), after, 100).await.unwrap();
    changes.into_iter().map(|change| (change.address, change.state)).collect()
}

async fn a_follower_receives_all_of_many_concurrent_joins(lab: Lab) {
    const DEVICES: u8 = 40;
    let key = lab.key().await;
    let mut joins = JoinSet::new();
    for n in 0..DEVICES {
        let (store, node, address) = (lab.store.clone(), lab.node, issue(&lab, &key, n).await);
        joins.spawn(async move {
            let epoch =
                store.join_address(&address, 1, node, PASSWORD, &NOWHERE).await.unwrap().unwrap().epoch;
            if n % 2 == 0 {
                assert!(store.leave_address(&address, epoch).await.unwrap());
            }
        });
    }
    // Each address has a latest change, so a reader that continues from its position encounters it.
    let (mut after, mut last) = (0, std::collections::HashMap::new());
    let mut running = true;
    while running {
        running = joins.try_join_next().map(Result::unwrap).is_some() || !joins.is_empty();
        for change in lab.store.presence_changes(&PresenceQuery::default(), after, 7).await.unwrap() {
            assert!(change.seq > after);
            after = change.seq;
            last.insert(change.address, change.state);
        }
    }
    for (address, state) in told(&lab, after).await {
        last.insert(address, state);
    }
    let online = last.values().filter(|state| **state == PresenceState::Online).count();
    assert_eq!((last.len(), online), (usize::from(DEVICES), usize::from(DEVICES) / 2));
}

async fn a_node_that_starts_again_has_no_devices(lab: Lab) {
    let key = lab.key().await;
    let (own, others) = (issue(&lab, &key, 1).await, issue(&lab, &key, 2).await);
    let elsewhere = lab.another_node().await.id;
    lab.store.join_address(&own, 1, lab.node, PASSWORD, &NOWHERE).await.unwrap();
    lab.store.join_address(&others, 1, elsewhere, PASSWORD, &NOWHERE).await.unwrap();
    let before = lab.store.presence_seq().await.unwrap();
    lab::life(&lab.store, Earlier::Over, lab.node).await.unwrap();
    assert_eq!(told(&lab, before).await, [(own, PresenceState::Offline)]);
    assert!(
        lab.store
            .address(&transom_store::Scope::All, &others)
            .await
            .unwrap()
            .unwrap()
            .presence
            .node
            .is_some()
    );
}

async fn the_devices_of_a_gone_node_are_offline(lab: Lab) {
    let key = lab.key().await;
    let (address, elsewhere) = (issue(&lab, &key, 1).await, lab.another_node().await);
    lab.store.join_address(&address, 1, elsewhere.id, PASSWORD, &NOWHERE).await.unwrap();
    lab.advance_clock(TTL * 100).await;
    assert_eq!(lab.store.let_go().await.unwrap(), 0, "no clock takes it away");
    lab.lose(elsewhere).await;
    assert_eq!(lab.store.let_go().await.unwrap(), 1);
    assert_eq!(told(&lab, 0).await, [(address, PresenceState::Offline)]);
}

async fn a_late_departure_does_not_undo_a_later_join(lab: Lab) {
    const DEVICES: u8 = 3;
    let key = lab.key().await;
    let mut joined = Vec::new();
    for n in 0..DEVICES {
        let address = issue(&lab, &key, n).await;
        let epoch =
            lab.store.join_address(&address, 1, lab.node, PASSWORD, &NOWHERE).await.unwrap().unwrap().epoch;
        joined.push((address, epoch));
    }
    joined.sort();
    assert_eq!(lab.store.joined_at(lab.node, None, 2).await.unwrap(), joined[..2]);
    assert_eq!(lab.store.joined_at(lab.node, Some(&joined[1].0), 2).await.unwrap(), joined[2..]);
    let (back, _) = &joined[1];
    let again = lab.store.join_address(back, 1, lab.node, PASSWORD, &NOWHERE).await.unwrap().unwrap().epoch;
    lab.store.leave_addresses(joined.clone()).await.unwrap();
    assert_eq!(lab.store.joined_at(lab.node, None, 9).await.unwrap(), [(back.clone(), again)]);
}
