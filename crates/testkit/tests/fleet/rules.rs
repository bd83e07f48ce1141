//! Permissions as devices and viewers meet them: the access rule, roles, and the information in
//! refusals.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::api::{send, text};
use transom_testkit::fault::FaultProxy;
use transom_testkit::wait::within;
use transom_testkit::{Api, TestServer, postgres};
use transom_tunnel::{MeetingTicket, Message, Refusal, RefusalCode, Retry, Role};

use crate::field::{Address, Field};
use crate::peer::Peer;

/// A well-formed address that was never issued.
const NOBODY: &str = "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";

/// An address of another key of the same project.
async fn of_another_key(field: &Field, body: Value) -> (Api, Address) {
    let api = field.server.api().with_key(&field.server.api().add_key("alpha", "member").await);
    let made = api.post("/cloud/1.1/static-address", body).await.done();
    (api, Address { name: text(&made, "cloudAddress"), password: text(&made, "cloudPassword") })
}

fn connect(groups: &[&str]) -> Value {
    if groups.is_empty() {
        json!({"allowedActions": ["connect"]})
    } else {
        json!({"allowedActions": ["connect"], "groups": groups})
    }
}

fn code(asked: Result<MeetingTicket, Refusal>) -> Option<RefusalCode> {
    asked.err().map(|refusal| refusal.code)
}

/// The answers to a connector with this address that asks for each of these peers.
async fn asks(field: &Field, own: &Address, peers: &[&Address]) -> Vec<Option<RefusalCode>> {
    let mut viewer = field.join(own, Role::Connector).await.expect("it joins");
    let mut answers = Vec::new();
    for peer in peers {
        answers.push(code(viewer.ask_for(&peer.name).await));
    }
    answers
}

#[tokio::test]
async fn c3_s1_s2_an_address_joins_only_with_its_own_action_and_a_wrong_password_is_final() {
    let field = Field::set().await;
    let (listen, connect) = (field.listener().await, field.connector().await);
    for (own, role) in [(&listen, Role::Connector), (&connect, Role::Agent)] {
        let refusal = field.join(own, role).await.err().expect("it is refused");
        assert_eq!((refusal.code, refusal.retry), (RefusalCode::CloudAuthenticationFailed, Retry::Never));
    }
    let wrong = Address { name: listen.name.clone(), password: connect.password.clone() };
    let unknown = Address { name: NOBODY.to_owned(), password: connect.password.clone() };
    let refusals = [field.join(&wrong, Role::Agent).await, field.join(&unknown, Role::Agent).await];
    // The refusal does not reveal whether the address exists.
    for refusal in refusals.map(|joined| joined.err().expect("it is refused")) {
        assert_eq!(refusal, Refusal::from(RefusalCode::CloudAuthenticationFailed));
        assert_eq!(refusal.retry, Retry::Never);
    }
    // S1: only a joined device can be reached.
    let mut viewer = field.join(&connect, Role::Connector).await.unwrap();
    let refusal = viewer.ask_for(&listen.name).await.expect_err("nobody is there");
    assert_eq!(
        (refusal.code, refusal.retry),
        (RefusalCode::CloudTargetNotFound, Retry::After(Refusal::FIRST_RETRY))
    );
    let _device = field.device(&listen).await;
    assert_eq!(code(viewer.ask_for(&listen.name).await), None);
}

#[tokio::test]
async fn c4_the_side_that_connects_may_be_the_vnc_server() {
    let field = Field::set().await;
    let (listen, connect) = (field.listener().await, field.connector().await);
    let (mut device, mut viewer) =
        (field.device(&listen).await, field.join(&connect, Role::Connector).await.unwrap());
    let ticket = viewer.ask_for(&listen.name).await.unwrap();
    let (near, mut far) = tokio::join!(viewer.data(&ticket), device.called());
    // The relay forwards bytes, and the RFB server greets first (RFC 6143 §7.1.1).
    let mut near = near.unwrap();
    near.write_all(b"RFB 003.008\n").await.unwrap();
    let mut greeting = [0; 12];
    within("the greeting", far.read_exact(&mut greeting)).await.unwrap();
    assert_eq!(&greeting, b"RFB 003.008\n");
    // A ticket is valid once.
    assert!(viewer.data(&ticket).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_d7_acl1_to_acl8_s7_s9_the_access_rule_determines_every_answer() {
    let field = Field::set().await;
    let staff = field.address(connect(&["staff"])).await;
    let guest = field.connector().await;
    let (_, foreign) = of_another_key(&field, connect(&["staff"])).await;
    let listen = |access: Value| json!({"allowedActions": ["listen"], "accessControl": access});
    let open = field.listener().await;
    let by_group = field.address(listen(json!({"groups": ["staff"]}))).await;
    let by_case = field.address(listen(json!({"groups": ["Staff"]}))).await;
    let named = field.address(listen(json!({"cloudAddresses": [guest.name, foreign.name]}))).await;
    let listeners = [&open, &by_group, &by_case, &named];
    let mut devices = Vec::new();
    for listener in listeners {
        devices.push(field.device(listener).await);
    }
    let (refused, unfound) =
        (Some(RefusalCode::CloudConnectionRefused), Some(RefusalCode::CloudTargetNotFound));
    // S8: a connector can have sessions with many peers in parallel.
    assert_eq!(asks(&field, &staff, &listeners).await, [None, None, refused, refused]);
    assert_eq!(asks(&field, &guest, &listeners).await, [None, refused, refused, None]);
    assert_eq!(asks(&field, &foreign, &listeners).await, [unfound; 4]);
    // ACL8: a connect address accepts no connections.
    assert_eq!(asks(&field, &staff, &[&guest]).await, [refused]);
    // S9: the refusal is the same whether or not the device is online. Unknown, removed and other
    // keys' addresses look the same.
    drop(devices);
    assert_eq!(asks(&field, &guest, &[&by_group]).await, [refused]);
    field.remove(&by_case).await;
    let mut viewer = field.join(&foreign, Role::Connector).await.unwrap();
    for name in [&open.name, &by_case.name, NOBODY, "no-address"] {
        let refusal = viewer.ask_for(name).await.expect_err("not found");
        assert_eq!(refusal, Refusal::from(RefusalCode::CloudTargetNotFound), "{name}");
    }
}

#[tokio::test]
async fn s8_a_session_that_is_still_ending_does_not_delay_other_peers() {
    let field = Field::set().await;
    let (busy, free, desk) = (field.listener().await, field.listener().await, field.connector().await);
    let (_busy, _free) = (field.device(&busy).await, field.device(&free).await);
    let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
    viewer.ask_for(&busy.name).await.expect("it is free");
    for (call, peer) in [(101, &busy), (102, &free), (103, &busy)] {
        viewer.say(&Message::Connect { call, limit: 0, peer: peer.name.clone() }).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 3 {
        match viewer.next().await.expect("it stays") {
            Message::Meet { call, .. } => answers.push((call, None)),
            Message::Failed { call, refusal } => answers.push((call, Some(refusal.code))),
            _ => {}
        }
    }
    assert_eq!(answers.remove(0), (102, None), "it is answered first");
    answers.sort_by_key(|(call, _)| *call);
    assert_eq!(answers, [(101, Some(RefusalCode::PeerBusy)), (103, Some(RefusalCode::PeerBusy))]);
}

#[tokio::test]
async fn s8_one_of_many_concurrent_calls_for_a_peer_gets_a_session() {
    let field = Field::set().await;
    let (own, desk) = (field.listener().await, field.connector().await);
    let _device = field.device(&own).await;
    let mut viewer = field.join(&desk, Role::Connector).await.unwrap();
    for call in 101..201 {
        viewer.say(&Message::Connect { call, limit: 0, peer: own.name.clone() }).await;
    }
    let (mut meetings, mut busy) = (0, 0);
    while meetings + busy < 100 {
        match viewer.next().await.expect("it stays") {
            Message::Meet { .. } => meetings += 1,
            Message::Failed { refusal, .. } => {
                assert_eq!(refusal.code, RefusalCode::PeerBusy);
                busy += 1;
            }
            _ => {}
        }
    }
    assert_eq!((meetings, busy), (1, 99));
}

#[tokio::test]
async fn acl6_g3_the_configuration_can_permit_addresses_of_other_keys() {
    let setup = TestServer::setup().config(|config| {
        config.cloud.allow_cross_key_individuals = true;
        config.cloud.list_in_1_0 = true;
    });
    let field = Field::on(setup).await;
    let (other, foreign) = of_another_key(&field, connect(&["staff"])).await;
    let access = json!({"cloudAddresses": [foreign.name], "groups": ["staff"]});
    let named = field.address(json!({"allowedActions": ["listen"], "accessControl": access})).await;
    let by_group =
        field.address(json!({"allowedActions": ["listen"], "accessControl": {"groups": ["staff"]}})).await;
    let (_one, _two) = (field.device(&named).await, field.device(&by_group).await);
    let answers = asks(&field, &foreign, &[&named, &by_group]).await;
    // A group's name denotes another group under another key, whatever else is permitted.
    assert_eq!(answers, [None, Some(RefusalCode::CloudTargetNotFound)]);
    let listed = other.get("/cloud/1.0/static-address").await.done();
    assert_eq!(listed, json!({"cloudAddresses": [foreign.name]}));
    assert_eq!(other.request(Method::PATCH, "/cloud/1.0/static-address").send().await.unwrap().status(), 405);
    assert_eq!(Field::set().await.api().get("/cloud/1.0/static-address").await.status, 404);
}

#[tokio::test]
async fn s16_a_client_that_guesses_passwords_must_wait_and_a_correct_one_is_never_delayed() {
    let setup = TestServer::setup().config(|config| {
        config.limits.failed_authentications = 5;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    let field = Field::on(setup).await;
    let (own, other) = (field.listener().await, field.listener().await);
    let wrong = Address { name: own.name.clone(), password: other.password.clone() };
    let server = field.server.address();
    let mut told = Vec::new();
    for _ in 0..40 {
        let refusal = Peer::join_from("203.0.113.5", server, &wrong, Role::Agent).await.err().unwrap();
        told.push(refusal.retry);
    }
    assert!(told[..5].iter().all(|retry| *retry == Retry::Never), "{told:?}");
    assert!(told.contains(&Retry::After(Duration::from_secs(10))), "{told:?}");
    Peer::join_from("203.0.113.5", server, &own, Role::Agent).await.expect("its proof is right");
}

#[tokio::test(flavor = "multi_thread")]
async fn g15_without_its_database_every_operation_is_503_with_retry_after_and_changes_nothing() {
    let url = tokio::task::spawn_blocking(postgres::database).await.unwrap();
    let (login, place) = url.split_once('@').unwrap();
    let (address, name) = place.split_once('/').unwrap();
    let network = FaultProxy::start(address.parse().unwrap()).await;
    let field =
        Field::on(TestServer::setup().database(format!("{login}@{}/{name}", network.address()))).await;
    let own = field.listener().await;
    let (all, one) =
        ("/cloud/1.1/static-address".to_owned(), format!("/cloud/1.1/static-address/{}", own.name));
    let before = field.api().get(&one).await;
    network.stall();
    let body = json!({"allowedActions": ["listen"]});
    let mut whole = body.clone();
    whole["cloudAddress"] = own.name.clone().into();
    let ready = format!("{one}/ready");
    let asked = [
        (Method::POST, &all, Some(&body)),
        (Method::GET, &all, None),
        (Method::GET, &ready, None),
        (Method::GET, &one, None),
        (Method::PUT, &one, Some(&whole)),
        (Method::POST, &one, None),
        (Method::DELETE, &one, None),
    ];
    // The requests run at once, because each waits for the database as long as an operation may.
    let answers = asked.map(|(method, path, body)| {
        let request = field.api().request(method, path);
        send(match body {
            Some(body) => request.json(body),
            None => request,
        })
    });
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!((answer.status, &*answer.text), (503, ""));
        assert!(answer.headers.contains_key("retry-after"));
    }
    let joining = field.join(&own, Role::Agent).await.err().expect("nobody can be verified");
    assert_eq!(joining.code, RefusalCode::CloudConnectivityError);
    network.heal();
    let after = within("it is back", async {
        loop {
            let answer = field.api().get(&one).await;
            if answer.status == 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((after.text, &after.headers["etag"]), (before.text, &before.headers["etag"]));
}
