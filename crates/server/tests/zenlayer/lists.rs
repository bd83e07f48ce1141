//! Lists of instances: filters and pages.

use serde_json::{Value, json};
use transom_model::instance::InstanceStatus;

use crate::house::{House, PROJECT, Plan};
use crate::wire::{INSTANCES, Operation, Wire};

const VM: Operation = ("vm", "2026-04-01", "DescribeInstances");

/// Returns the ids of the matching instances, and the total number.
async fn listed(house: &House, operation: Operation<'_>, parameters: &Value) -> (Vec<String>, u64) {
    let wire = Wire::new(house, operation, parameters.to_string()).signed(&house.reader);
    let answer = wire.send(house).await;
    assert_eq!(answer.status, 200, "{parameters}: {answer:?}");
    answer.checked_id();
    let inner = &answer.body["response"];
    // The vendor's command line pages through the first array in the result.
    let arrays = inner.as_object().unwrap().values().filter(|member| member.is_array()).count();
    assert_eq!(arrays, 1);
    assert_eq!(
        (&answer.body["dataSet"], &answer.body["totalCount"]),
        (&inner["dataSet"], &inner["totalCount"])
    );
    let items = inner["dataSet"].as_array().unwrap();
    let ids = items.iter().map(|item| item["instanceId"].as_str().unwrap().to_owned()).collect();
    (ids, inner["totalCount"].as_u64().unwrap())
}

async fn filters_narrow(house: &House) {
    house.instance(PROJECT, "db-1", "Data_base 100% Ä", InstanceStatus::Stopped).await;
    house.instance(PROJECT, "db-2", "Database", InstanceStatus::Resizing).await;
    let all = ["db-1", "db-2", "web-1"];
    let project = house.server.app().access.project(&crate::house::operator(), PROJECT).await.unwrap();
    for (parameters, fits) in [
        (json!({}), &all[..]),
        (json!({ "instanceIds": [], "name": "", "status": null, "zoneId": "" }), &all[..]),
        (json!({ "somethingNew": [1, 2] }), &all[..]),
        (json!({ "resourceGroupId": project.id.to_string() }), &all[..]),
        (json!({ "instanceIds": ["db-2", "nowhere", "theirs", "no id!"] }), &["db-2"]),
        (json!({ "instanceIds": ["nowhere"] }), &[]),
        (json!({ "instanceIds": ["no id!"] }), &[]),
        (json!({ "name": "data" }), &["db-1", "db-2"]),
        (json!({ "name": "A_B" }), &["db-1"]),
        (json!({ "name": "0%" }), &["db-1"]),
        (json!({ "name": "!" }), &[]),
        (json!({ "name": "Ä" }), &["db-1"]),
        (json!({ "name": "x".repeat(60_000) }), &[]),
        (json!({ "status": "STOPPED" }), &["db-1"]),
        (json!({ "status": "RESIZING", "name": "base" }), &["db-2"]),
        (json!({ "status": "RECYCLING" }), &[]),
        (json!({ "status": "RUNNING", "instanceIds": ["db-1"] }), &[]),
        // Our instances have no such properties.
        (json!({ "zoneId": "HKG-A" }), &[]),
        (json!({ "tagKeys": ["a"] }), &[]),
        (json!({ "tags": [{ "key": "a", "value": "b" }] }), &[]),
        (json!({ "resourceGroupId": "another" }), &[]),
    ] {
        let total = fits.len() as u64;
        assert_eq!(
            listed(house, INSTANCES, &parameters).await,
            (fits.iter().map(|id| id.to_string()).collect(), total),
            "{parameters}"
        );
    }
    for (parameters, fits) in [
        (json!({ "instanceName": "data*" }), 2),
        (json!({ "instanceName": "*" }), 3),
        (json!({ "instanceName": "Database" }), 1),
        (json!({ "instanceName": "Data" }), 0),
        (json!({ "instanceStatus": "PENDING" }), 1),
        (json!({ "instanceStatus": "STOPPED" }), 1),
        // These words belong to zec.
        (json!({ "name": "nothing", "status": "nothing" }), 3),
        (json!({ "publicIpAddresses": ["192.0.2.1"] }), 0),
    ] {
        assert_eq!(listed(house, VM, &parameters).await.1, fits, "{parameters}");
    }
}

#[tokio::test]
async fn filters_narrow_a_list() {
    filters_narrow(&House::start().await).await;
}

#[tokio::test]
async fn filters_narrow_a_list_on_postgresql() {
    let database = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    filters_narrow(&House::start_with(Plan { database: Some(database), ..Plan::default() }).await).await;
}

#[tokio::test]
async fn pages_hold_everything_once_and_the_total_is_from_before_paging() {
    let house = House::start().await;
    for number in 0..24 {
        house.instance(PROJECT, &format!("vm-{number:02}"), "Machine", InstanceStatus::Running).await;
    }
    let mut seen = Vec::new();
    for number in 1..=3 {
        let (ids, total) = listed(&house, INSTANCES, &json!({ "pageSize": 10, "pageNum": number })).await;
        assert_eq!(total, 25);
        seen.extend(ids);
    }
    assert_eq!(seen.len(), 25);
    seen.dedup();
    assert_eq!(seen.len(), 25);
    for (parameters, length) in [
        (json!({}), 20),
        (json!({ "pageNum": 2 }), 5),
        (json!({ "pageNum": 3 }), 0),
        (json!({ "pageNum": u64::MAX, "pageSize": 1000 }), 0),
        (json!({ "pageSize": 1000 }), 25),
    ] {
        let (ids, total) = listed(&house, INSTANCES, &parameters).await;
        assert_eq!((ids.len(), total), (length, 25), "{parameters}");
    }
}
