//! Crowds on the control path: clients that never authenticate, and fleets that return at once.

use tokio::task::JoinSet;
use transom_testkit::TestServer;
use transom_testkit::wait::{until, within};
use transom_tunnel::{RefusalCode, Role};

use crate::field::Field;
use crate::peer::Peer;

const PER_SOURCE: usize = 8;

/// A server that learns its sources from a trusted proxy.
async fn field() -> Field {
    let setup = TestServer::setup().config(|config| {
        config.limits.half_open_per_source = PER_SOURCE;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    });
    Field::on(setup).await
}

#[tokio::test]
async fn an_unauthenticated_client_uses_only_its_own_share() {
    let field = field().await;
    let (server, own) = (field.server.address(), field.listener().await);
    let mut silent = Vec::new();
    for _ in 0..PER_SOURCE {
        silent.push(Peer::silent(server, "203.0.113.5").await.expect("it has a share"));
    }
    assert!(Peer::silent(server, "203.0.113.5").await.is_none());
    let refused = Peer::join_from("203.0.113.5", server, &own, Role::Agent).await.err().unwrap();
    assert_eq!(refused.code, RefusalCode::CloudConnectivityError);
    let _other = Peer::join_from("203.0.113.6", server, &own, Role::Agent).await.expect("its own share");
    drop(silent);
    until("the places are free", || field.server.server().half_open() == 0).await;
    Peer::join_from("203.0.113.5", server, &own, Role::Agent).await.expect("a place is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_fleet_behind_one_source_can_return_at_once() {
    const FLEET: usize = 25 * PER_SOURCE;
    let field = field().await;
    let mut fleet = JoinSet::new();
    for _ in 0..FLEET {
        let (server, own) = (field.server.address(), field.listener().await);
        fleet.spawn(async move {
            within("its turn", async {
                loop {
                    match Peer::join_from("203.0.113.5", server, &own, Role::Agent).await {
                        Ok(peer) => return peer,
                        Err(refusal) => assert_eq!(refusal.code, RefusalCode::CloudConnectivityError),
                    }
                }
            })
            .await
        });
    }
    let joined = fleet.join_all().await;
    assert_eq!((joined.len(), field.server.app().devices.joined.count()), (FLEET, FLEET));
}
