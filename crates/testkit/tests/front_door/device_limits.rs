//! Limits on the viewers and the sessions of one connect address. Slots become free again.

use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use transom_agent::{Agent, Connector, Event, Refusal, RefusalCode, Targets};
use transom_testkit::TestServer;
use transom_testkit::api::text;
use transom_testkit::wait::within;

use crate::devices::{Address, Field, Running};

/// A field with this limit for both.
async fn field(most: usize) -> Field {
    Field::on(
        TestServer::setup().config(|config| config.limits.device_sessions_per_address = most).start().await,
    )
    .await
}

/// A refused viewer, and the reason.
async fn turned_away(connector: &mut Running<Event>, port: u16) -> Refusal {
    let mut viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert!(within("its end", viewer.read(&mut [0])).await.is_err(), "it is let in");
    loop {
        if let Event::Failed(refusal) = connector.tells().await {
            return refusal;
        }
    }
}

#[tokio::test]
async fn the_number_of_viewers_of_an_address_is_limited_until_one_leaves() {
    let field = field(2).await;
    let (device, desk) = field.pair().await;
    let _agent = field.joined(&device).await;
    let (first, _) = Running::ready(field.desk(&desk, &device.address)).await;
    let (_second, _) = Running::ready(field.desk(&desk, &device.address)).await;
    let third = async || {
        let (mut third, port) = Running::connector(field.desk(&desk, &device.address));
        match within("it is in or out", third.told()).await {
            Some(Event::Ready) => Ok((third, port)),
            Some(other) => panic!("{other:?}"),
            None => Err(third.refusal().await),
        }
    };
    let Err(refusal) = third().await else { panic!("a third one joined") };
    assert_eq!(refusal.code, RefusalCode::CloudConnectivityError);
    assert_eq!(refusal.detail.as_deref(), Some("2 viewers are already connected under this address"));
    // Another address has its own limit.
    let (other_device, other) = field.pair().await;
    let _agent = field.joined(&other_device).await;
    Running::ready(field.desk(&other, &other_device.address)).await;
    drop(first);
    within("its place is free", async { while third().await.is_err() {} }).await;
}

#[tokio::test]
async fn the_number_of_sessions_of_an_address_is_limited_until_one_ends() {
    let field = field(1).await;
    let (device, desk) = field.pair().await;
    let listen = json!({"allowedActions": ["listen"], "accessControl": {"groups": ["staff"]}});
    let second = field.address(listen).await;
    let target = field.machine.endpoint().trim_start_matches("vnc://").to_owned();
    let _agent = field.joined(&device).await;
    let _other = Running::joined(Agent {
        identity: field.identity("second device"),
        targets: Targets::parse(&[target]).unwrap(),
        ..field.device(&second)
    })
    .await;
    let (mut connector, port) = Running::ready(field.desk(&desk, &device.address)).await;
    let (viewer, mut guest) = field.session(&mut connector, port).await;

    // The connector that joined with the old password is sent away, but its session stays.
    let path = format!("/api/v1/addresses/{}/reset", desk.address);
    let reset = field.server.api().post(&path, json!({})).await.done();
    assert!(matches!(connector.tells().await, Event::Shut(_)));
    let desk = Address { password: text(&reset, "cloudPassword"), ..desk };
    let elsewhere =
        Connector { identity: field.identity("second viewer"), ..field.desk(&desk, &second.address) };
    let (mut next, port) = Running::ready(elsewhere).await;
    let refusal = turned_away(&mut next, port).await;
    assert_eq!(refusal.code, RefusalCode::PeerBusy);
    assert_eq!(refusal.detail.as_deref(), Some("1 sessions of this address are open"));

    drop(viewer);
    guest.ended().await;
    drop(guest);
    assert!(matches!(connector.tells().await, Event::Closed(_)));
    within("its place is free", async {
        loop {
            let _viewer = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            match next.tells().await {
                Event::Opened { .. } => return,
                Event::Failed(refusal) => assert_eq!(refusal.code, RefusalCode::PeerBusy),
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
}
