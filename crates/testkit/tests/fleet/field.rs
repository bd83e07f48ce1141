//! The setup of most tests: a server, and the access key that owns the addresses.

use serde_json::{Value, json};
use transom_testkit::api::text;
use transom_testkit::server::{PROJECT, Setup};
use transom_testkit::wait::within;
use transom_testkit::{Api, Key, TestServer};
use transom_tunnel::{Refusal, Role};

use crate::peer::Peer;

pub(crate) struct Field {
    pub(crate) server: TestServer,
    pub(crate) key: Key,
}

#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl Field {
    pub(crate) async fn set() -> Self {
        Self::on(TestServer::setup()).await
    }

    pub(crate) async fn on(setup: Setup) -> Self {
        let server = setup.start().await;
        let key = server.api().add_key(PROJECT, "member").await;
        Self { server, key }
    }

    /// A field on each database.
    pub(crate) async fn both() -> [Self; 2] {
        let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
        [Self::set().await, Self::on(TestServer::setup().database(postgres)).await]
    }

    /// The API as the key's holder calls it.
    pub(crate) fn api(&self) -> Api {
        self.server.api().with_key(&self.key)
    }

    pub(crate) async fn address(&self, body: Value) -> Address {
        let made = self.api().post("/cloud/1.1/static-address", body).await.done();
        Address { name: text(&made, "cloudAddress"), password: text(&made, "cloudPassword") }
    }

    pub(crate) async fn listener(&self) -> Address {
        self.address(json!({"allowedActions": ["listen"]})).await
    }

    pub(crate) async fn connector(&self) -> Address {
        self.address(json!({"allowedActions": ["connect"]})).await
    }

    pub(crate) async fn reset(&self, address: &Address) -> Address {
        let path = format!("/cloud/1.1/static-address/{}", address.name);
        let made = self.api().post(&path, Value::Null).await.done();
        Address { name: address.name.clone(), password: text(&made, "cloudPassword") }
    }

    pub(crate) async fn remove(&self, address: &Address) {
        self.api().delete(&format!("/cloud/1.1/static-address/{}", address.name)).await.done();
    }

    /// The audit records of this action, the oldest first: outcome and detail. An auditor of the
    /// project reads them.
    pub(crate) async fn told(&self, action: &str) -> Vec<(String, String)> {
        let audit =
            self.server.api().get(&format!("/api/v1/audit?limit=1000&project={PROJECT}")).await.done();
        let records = audit["items"].as_array().unwrap().iter();
        let found = records.filter(|record| record["action"] == action);
        found.map(|record| (text(record, "outcome"), text(record, "detail"))).collect()
    }

    /// The audit records of this action, once there are `count` of them.
    pub(crate) async fn told_so_often(&self, action: &str, count: usize) -> Vec<(String, String)> {
        within("the audit", async {
            loop {
                let told = self.told(action).await;
                if told.len() >= count {
                    return told;
                }
            }
        })
        .await
    }

    pub(crate) async fn join(&self, address: &Address, role: Role) -> Result<Peer, Refusal> {
        Peer::join(self.server.address(), address, role).await
    }

    /// A joined device.
    pub(crate) async fn device(&self, address: &Address) -> Peer {
        self.join(address, Role::Agent).await.expect("the device joins")
    }
}
