//! The audit of sessions with devices, including those that were not established.

use serde_json::{Value, json};
use transom_testkit::TestServer;
use transom_testkit::wait::within;
use transom_tunnel::{Cause, Message, RefusalCode, Role};

use crate::field::Field;
use crate::peer::Peer;

#[tokio::test(flavor = "multi_thread")]
async fn repeated_refusals_of_a_connector_are_audited_a_few_times_in_its_own_project() {
    for field in Field::both().await {
        let listen = json!({"allowedActions": ["listen"], "accessControl": {"groups": ["staff"]}});
        let (own, desk) = (field.address(listen).await, field.connector().await);
        let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
        for _ in 0..200 {
            let refused = viewer.ask_for(&own.name).await.unwrap_err();
            assert_eq!(refused.code, RefusalCode::CloudConnectionRefused);
        }
        // A different refusal gets a record of its own, which is written last.
        field.remove(&own).await;
        assert_eq!(viewer.ask_for(&own.name).await.unwrap_err().code, RefusalCode::CloudTargetNotFound);
        let told = field.told_so_often("device.connect", 6).await;
        let refused = ("CloudConnectionRefused".to_owned(), format!("from {}", desk.name));
        let unfound = ("CloudTargetNotFound".to_owned(), format!("from {}", desk.name));
        // Another record may have become due in the meantime.
        let (last, before) = told.split_last().unwrap();
        assert!(before.len() <= 7 && before.iter().all(|one| *one == refused), "{told:?}");
        assert_eq!(*last, unfound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_revoked_before_the_session_starts_is_reported_as_such() {
    for field in Field::both().await {
        let (own, gone, desk) = (field.listener().await, field.listener().await, field.connector().await);
        let (_device, _gone) = (field.device(&own).await, field.device(&gone).await);
        let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
        viewer.ask_for(&own.name).await.unwrap();
        let path = format!("/api/v1/addresses/{}", own.name);
        field.api().patch(&path, json!({"allow_groups": ["staff"]})).await.done();
        assert_eq!(viewer.failed().await.code, RefusalCode::CloudConnectionRefused);
        viewer.ask_for(&gone.name).await.unwrap();
        field.remove(&gone).await;
        assert_eq!(viewer.failed().await.code, RefusalCode::CloudTargetNotFound);
        let told = field.told_so_often("device.connect", 2).await;
        let outcomes: Vec<_> = told.iter().map(|(outcome, _)| outcome.as_str()).collect();
        assert_eq!(outcomes, ["CloudConnectionRefused", "CloudTargetNotFound"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_audited_when_both_ends_connect_and_otherwise_by_its_refusal() {
    let field = Field::set().await;
    let (own, desk) = (field.listener().await, field.connector().await);
    let mut device = field.device(&own).await;
    let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
    let from = format!("from {}", desk.name);
    // The agent declines.
    viewer.ask_for(&own.name).await.unwrap();
    let ticket = loop {
        if let Message::Dial { ticket, .. } = device.next().await.unwrap() {
            break ticket;
        }
    };
    device.say(&Message::Declined { ticket: ticket.id, cause: Cause::Failed, why: "no".into() }).await;
    assert_eq!(viewer.failed().await.code, RefusalCode::DeviceRefused);
    assert_eq!(field.told_so_often("device.connect", 1).await, [("DeviceRefused".to_owned(), from.clone())]);
    // Both sides connect and disconnect.
    let ticket = viewer.ask_for(&own.name).await.unwrap();
    drop(tokio::join!(viewer.data(&ticket), device.called()));
    let over = field.told_so_often("device.disconnect", 1).await;
    assert!(over[0].1.starts_with(&from), "{over:?}");
    let told = field.told("device.connect").await;
    assert_eq!(told.last(), Some(&("ok".to_owned(), from.clone())));
    assert_eq!((told.len(), field.told("device.disconnect").await.len()), (2, 1));
}

/// Action, outcome, source and program of every record from another machine, the oldest first.
async fn from_outside(field: &Field) -> Vec<[Value; 4]> {
    let audit = field.server.api().get("/api/v1/audit?limit=1000").await.done();
    let records = audit["items"].as_array().unwrap().iter();
    let outside = records.filter(|record| record["source"].is_string() && record["source"] != "127.0.0.1");
    outside
        .map(|record| ["action", "outcome", "source", "user_agent"].map(|one| record[one].clone()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_of_devices_and_connectors_are_audited_with_their_addresses_and_programs() {
    let behind_proxy = || {
        TestServer::setup()
            .config(|config| config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()])
    };
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    for setup in [behind_proxy(), behind_proxy().database(postgres)] {
        let field = Field::on(setup).await;
        let (own, desk, server) = (field.listener().await, field.connector().await, field.server.address());
        // A different program from another source.
        drop(Peer::join_with(server, &own, "an older test").await.unwrap());
        let mut device = Peer::join_from("198.51.100.7", server, &own, Role::Agent).await.unwrap();
        let mut viewer = Peer::join_from("2001:db8::9", server, &desk, Role::Connector).await.unwrap();
        let ticket = viewer.ask_for(&own.name).await.unwrap();
        drop(tokio::join!(viewer.data(&ticket), device.called()));
        field.told_so_often("device.disconnect", 1).await;
        // The device's password is reset: the server sends it away, and the connector finds it
        // offline.
        field.reset(&own).await;
        field.told_so_often("device.sent-away", 1).await;
        viewer.ask_for(&own.name).await.unwrap_err();
        let seen = within("the refusal", async {
            loop {
                let seen = from_outside(&field).await;
                if seen.len() >= 6 {
                    break seen;
                }
            }
        })
        .await;
        let of_device = |action, outcome| [action, outcome, "198.51.100.7", "a test"].map(Value::from);
        let of_viewer = |action, outcome| [action, outcome, "2001:db8::9", "a test"].map(Value::from);
        let disconnect = seen[3][1].as_str().unwrap().to_owned();
        let expected = [
            of_device("device.join", "ok"),
            of_device("device.program", "ok"),
            of_viewer("device.connect", "ok"),
            of_viewer("device.disconnect", disconnect.as_str()),
            of_device("device.sent-away", "ok"),
            of_viewer("device.connect", "CloudTargetNotFound"),
        ];
        assert_eq!(seen, expected);
    }
}
