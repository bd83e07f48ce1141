//! What the audit tells of sessions with devices: those that came about, and those that did not.

use serde_json::json;
use transom_tunnel::{Fault, Role};

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
