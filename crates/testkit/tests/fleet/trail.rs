//! What the audit tells of sessions with devices: those that came about, and those that did not.

use serde_json::json;
use transom_tunnel::{Cause, Fault, Message, Role};

use crate::field::Field;

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_is_refused_again_and_again_is_told_of_a_few_times_in_its_own_project() {
    for field in Field::both().await {
        let listen = json!({"allowedActions": ["listen"], "accessControl": {"groups": ["staff"]}});
        let (own, desk) = (field.address(listen).await, field.connector().await);
        let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
        for _ in 0..200 {
            let refused = viewer.ask_for(&own.name).await.unwrap_err();
            assert_eq!(refused.fault, Fault::CloudConnectionRefused);
        }
        // Another refusal is news of its own; and this one is written last.
        field.remove(&own).await;
        assert_eq!(viewer.ask_for(&own.name).await.unwrap_err().fault, Fault::CloudTargetNotFound);
        let told = field.told_so_often("device.connect", 6).await;
        let refused = ("CloudConnectionRefused".to_owned(), format!("from {}", desk.name));
        let unfound = ("CloudTargetNotFound".to_owned(), format!("from {}", desk.name));
        // A new one may have come due meanwhile.
        let (last, before) = told.split_last().unwrap();
        assert!(before.len() <= 7 && before.iter().all(|one| *one == refused), "{told:?}");
        assert_eq!(*last, unfound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_lost_before_the_ends_have_met_is_told_as_what_it_is() {
    for field in Field::both().await {
        let (own, gone, desk) = (field.listener().await, field.listener().await, field.connector().await);
        let (_device, _gone) = (field.device(&own).await, field.device(&gone).await);
        let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
        viewer.ask_for(&own.name).await.unwrap();
        let path = format!("/api/v1/addresses/{}", own.name);
        field.api().patch(&path, json!({"allow_groups": ["staff"]})).await.done();
        assert_eq!(viewer.failed().await.fault, Fault::CloudConnectionRefused);
        viewer.ask_for(&gone.name).await.unwrap();
        field.remove(&gone).await;
        assert_eq!(viewer.failed().await.fault, Fault::CloudTargetNotFound);
        let told = field.told_so_often("device.connect", 2).await;
        let outcomes: Vec<_> = told.iter().map(|(outcome, _)| outcome.as_str()).collect();
        assert_eq!(outcomes, ["CloudConnectionRefused", "CloudTargetNotFound"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_told_of_as_one_when_both_ends_are_there_and_else_by_the_refusal_s_name() {
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
    assert_eq!(viewer.failed().await.fault, Fault::DeviceRefused);
    assert_eq!(field.told_so_often("device.connect", 1).await, [("DeviceRefused".to_owned(), from.clone())]);
    // Both come, and go.
    let ticket = viewer.ask_for(&own.name).await.unwrap();
    drop(tokio::join!(viewer.data(&ticket), device.called()));
    let over = field.told_so_often("device.disconnect", 1).await;
    assert!(over[0].1.starts_with(&from), "{over:?}");
    let told = field.told("device.connect").await;
    assert_eq!(told.last(), Some(&("ok".to_owned(), from.clone())));
    assert_eq!((told.len(), field.told("device.disconnect").await.len()), (2, 1));
}
