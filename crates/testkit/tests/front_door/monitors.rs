//! Monitors (requirement S10): a connect address is told which devices can be reached, as it changes.

use std::collections::HashSet;

use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use transom_agent::Availability::{Available, Unavailable, Unknown};
use transom_agent::{Availability, Fault, Monitor};

use crate::devices::{Address, Field, Running};

type Told = (String, Availability);

/// A well-formed address that nobody ever got.
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
async fn s10_who_watches_devices_is_told_when_one_comes_goes_or_may_no_longer_be_reached() {
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
    // Its own password: it is over.
    field.key.post(&format!("/api/v1/addresses/{}/reset", desk.address), json!({})).await.done();
    assert_eq!(monitor.tells().await, is(&device, Unknown));
    assert_eq!(monitor.fault().await, Fault::CloudAuthenticationFailed);
}

#[tokio::test]
async fn s9_s10_what_is_not_its_own_key_s_looks_to_a_monitor_like_what_is_not_there() {
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
    // Of the one that is forbidden nothing is told when it goes.
    drop(agents);
    assert_eq!(monitor.tells().await, is(&device, Unavailable));
    let too_many = vec![NOBODY.parse().unwrap(); Monitor::MOST + 1];
    assert!(Monitor::new(field.place(), desk.credentials(), too_many).is_err());
}
