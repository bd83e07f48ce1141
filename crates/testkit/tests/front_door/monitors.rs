//! Monitors (requirement S10): a connect address receives the presence of the devices that it can
//! reach.

use std::collections::HashSet;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use transom_agent::Availability::{Available, Unavailable, Unknown};
use transom_agent::{Availability, Monitor, RefusalCode};

use crate::devices::{Address, Field, Running};

type Told = (String, Availability);

/// A well-formed address that was never issued.
const NOBODY: &str = "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";

fn watching(field: &Field, own: &Address, peers: &[&str]) -> Running<Told> {
    let peers = peers.iter().map(|peer| peer.parse().unwrap());
    let monitor = Monitor::new(field.place(), own.credentials(), peers).unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let tell = move |peer: &_, now| drop(tell.send((ToString::to_string(peer), now)));
    Running::start(told, stop.clone(), monitor.run(tell, stop))
}

fn is(address: &Address, now: Availability) -> Told {
    (address.address.clone(), now)
}

#[tokio::test]
async fn s10_a_monitor_is_told_when_a_device_joins_leaves_or_becomes_forbidden() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let mut monitor = watching(&field, &desk, &[&device.address]);
    assert_eq!(monitor.tells().await, is(&device, Unavailable));
    let agent = field.joined(&device).await;
    assert_eq!(monitor.tells().await, is(&device, Available));
    drop(agent);
    assert_eq!(monitor.tells().await, is(&device, Unavailable));
    let _agent = field.joined(&device).await;
    assert_eq!(monitor.tells().await, is(&device, Available));
    let path = format!("/api/v1/addresses/{}", device.address);
    field.key.patch(&path, json!({"allow_groups": ["others"]})).await.done();
    assert_eq!(monitor.tells().await, is(&device, Unknown));
    field.key.patch(&path, json!({"allow_groups": ["staff"]})).await.done();
    assert_eq!(monitor.tells().await, is(&device, Available));
    field.key.delete(&path).await.done();
    assert_eq!(monitor.tells().await, is(&device, Unavailable));
    // A reset of its own password ends the monitor.
    field.key.post(&format!("/api/v1/addresses/{}/reset", desk.address), json!({})).await.done();
    assert_eq!(monitor.tells().await, is(&device, Unknown));
    assert_eq!(monitor.code().await, RefusalCode::CloudAuthenticationFailed);
}

#[tokio::test]
async fn s9_s10_other_keys_addresses_look_nonexistent_to_a_monitor() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let other = field.server.api().with_key(&field.server.api().add_key("alpha", "member").await);
    let made = other.post("/cloud/1.1/static-address", json!({"allowedActions": ["listen"]})).await.done();
    let member = |name: &str| transom_testkit::api::text(&made, name);
    let foreign = Address { address: member("cloudAddress"), password: member("cloudPassword") };
    let forbidden = json!({"allowedActions": ["listen"], "accessControl": {"groups": ["others"]}});
    let forbidden = field.address(forbidden).await;
    let joining = [&device, &foreign, &forbidden].map(|own| field.joined(own));
    let agents = futures_util::future::join_all(joining).await;
    let peers = [&*device.address, &foreign.address, &forbidden.address, NOBODY];
    let mut monitor = watching(&field, &desk, &peers);
    let told = HashSet::from([monitor.tells().await, monitor.tells().await, monitor.tells().await]);
    let nobody = (NOBODY.to_owned(), Unavailable);
    assert_eq!(told, HashSet::from([is(&device, Available), is(&foreign, Unavailable), nobody]));
    // The departure of a forbidden device is not reported.
    drop(agents);
    assert_eq!(monitor.tells().await, is(&device, Unavailable));
    let too_many = vec![NOBODY.parse().unwrap(); Monitor::MOST + 1];
    assert!(Monitor::new(field.place(), desk.credentials(), too_many).is_err());
}
