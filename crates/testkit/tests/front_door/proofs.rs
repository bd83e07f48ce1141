//! Proofs: what was made with a token, or with a secret of a key, ends with it.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::timeout;
use transom_testkit::api::{Answer, send, text};
use transom_testkit::{Api, Guest, Instance, Key, Script, TestServer, Viewer, postgres};

use crate::stage::assert_live;

const REVOKED: &str = "4404 Access to this console was revoked.";
const TOLD: &str = "403 grant-revoked: Access to this console was revoked.";
/// The design's promise for every ending.
const PROMPT: Duration = Duration::from_secs(1);

/// A house, and the node at which its viewers are: another one where the database allows it.
struct House {
    asked: TestServer,
    other: Option<TestServer>,
    machine: Instance,
    id: String,
}

/// A link with its session.
struct Open {
    token: String,
    viewer: Viewer,
    guest: Guest,
}

impl House {
    async fn both() -> [Self; 2] {
        let shared = TestServer::setup().database(postgres::database());
        let asked = shared.clone().start().await;
        let other = shared.another_node().resume().await;
        [Self::on(TestServer::start().await, None).await, Self::on(asked, Some(other)).await]
    }

    async fn on(asked: TestServer, other: Option<TestServer>) -> Self {
        let machine = Instance::start(Script::default()).await;
        let id = asked.add(&machine).await;
        Self { asked, other, machine, id }
    }

    fn carrier(&self) -> &TestServer {
        self.other.as_ref().unwrap_or(&self.asked)
    }

    /// A token of this key.
    async fn issued(&self, key: &Key) -> String {
        let path = format!("/api/v1/keys/{}/token", key.id);
        text(&self.asked.api().with_key(key).post(&path, json!({})).await.done(), "token")
    }

    /// The token of a link that opens as often as wanted.
    async fn link(&self, api: &Api) -> String {
        api.console("alpha", &self.id, json!({ "uses": 0, "ttl_seconds": 3600 })).await.token
    }

    /// The same in OpenStack's dialect.
    async fn openstack_link(&self, token: &str) -> String {
        let path = format!("/v2.1/servers/{}/remote-consoles", self.id);
        let asked = self.asked.api().anonymous().request(Method::POST, &path);
        let asked = asked.header("x-auth-token", token).header("openstack-api-version", "compute 2.6");
        let body = json!({ "remote_console": { "protocol": "vnc", "type": "novnc" } });
        let made = send(asked.json(&body)).await.done();
        let url = text(&made["remote_console"], "url");
        url.rsplit_once("token%3D").expect("noVNC's form").1.to_owned()
    }

    async fn open(&self, token: String) -> Open {
        let mut viewer = self.carrier().viewer().token(&token).view().await;
        let mut guest = self.machine.guest().await;
        assert_live(&mut viewer, &mut guest).await;
        Open { token, viewer, guest }
    }

    /// The session is over within a second, and the link opens no other, at either node.
    async fn is_over(&self, mut open: Open) {
        let end = timeout(PROMPT, open.viewer.closed()).await.expect("a session ends within a second");
        assert_eq!(end.to_string(), REVOKED);
        self.opens_nothing(&open.token).await;
    }

    async fn opens_nothing(&self, token: &str) {
        for server in [&self.asked, self.carrier()] {
            let answer = server.api().exchange(json!({ "token": token })).await;
            assert_eq!(answer.to_string(), TOLD);
        }
    }

    /// The session goes on, and the link opens another one.
    async fn goes_on(&self, open: &mut Open) {
        assert_live(&mut open.viewer, &mut open.guest).await;
        drop(self.open(open.token.clone()).await);
    }

    async fn revoke(&self, token: &str, by: &str) {
        let request = self.asked.api().anonymous().request(Method::DELETE, "/v3/auth/tokens");
        let answer = send(request.header("x-auth-token", by).header("x-subject-token", token)).await;
        assert_eq!(answer.status, 204, "{answer}");
    }
}

/// A token that was got for another, by the identity service.
async fn got_for(api: &Api, token: &str) -> String {
    let auth = json!({ "auth": { "identity": { "methods": ["token"], "token": { "id": token } } } });
    let Answer { headers, .. } = api.anonymous().post("/v3/auth/tokens", auth).await;
    headers["x-subject-token"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_a_token_made_ends_with_its_revocation_on_every_node() {
    for house in House::both().await {
        let api = house.asked.api();
        let member = api.add_key("alpha", "member").await;
        let (root, beside) = (house.issued(&member).await, house.issued(&member).await);
        let child = got_for(api, &got_for(api, &root).await).await;
        let by_token = house.open(house.link(&api.with_bearer(&root)).await).await;
        let by_child = house.open(house.link(&api.with_bearer(&child)).await).await;
        let of_openstack = house.open(house.openstack_link(&child).await).await;
        let unopened = house.link(&api.with_bearer(&child)).await;
        let mut by_another = house.open(house.link(&api.with_bearer(&beside)).await).await;
        let mut by_secret = house.open(house.link(&api.with_key(&member)).await).await;

        house.revoke(&root, &beside).await;
        for open in [by_token, by_child, of_openstack] {
            house.is_over(open).await;
        }
        house.opens_nothing(&unopened).await;
        for open in [&mut by_another, &mut by_secret] {
            house.goes_on(open).await;
        }
    }
}

/// Keystone's clients drop their tokens as a matter of course, and upstream's consoles live on.
#[tokio::test]
async fn whoever_drops_its_own_token_keeps_the_consoles_of_openstacks_dialect() {
    for house in House::both().await {
        let api = house.asked.api();
        let member = api.add_key("alpha", "member").await;
        let token = house.issued(&member).await;
        let native = house.open(house.link(&api.with_bearer(&token)).await).await;
        let mut of_openstack = house.open(house.openstack_link(&token).await).await;
        house.revoke(&token, &token).await;
        house.is_over(native).await;
        house.goes_on(&mut of_openstack).await;
    }
}

#[tokio::test]
async fn what_a_secret_made_ends_when_it_is_retired_and_what_the_newer_one_made_goes_on() {
    for house in House::both().await {
        let api = house.asked.api();
        let older = api.add_key("alpha", "admin").await;
        let path = format!("/api/v1/keys/{}", older.id);
        let rotated = api.post(&format!("{path}/rotate"), json!({})).await.done();
        let newer = Key { id: older.id.clone(), secret: text(&rotated, "secret") };
        let old_token = house.issued(&older).await;
        let new_token = got_for(api, &house.issued(&newer).await).await;
        let other = api.add_key("alpha", "member").await;
        let for_other = format!("/api/v1/keys/{}/token", other.id);
        let for_other = text(&api.with_key(&older).post(&for_other, json!({})).await.done(), "token");

        let by_older = house.open(house.link(&api.with_key(&older)).await).await;
        let by_old_token = house.open(house.link(&api.with_bearer(&old_token)).await).await;
        let under_another_key = house.open(house.link(&api.with_bearer(&for_other)).await).await;
        let mut by_newer = house.open(house.link(&api.with_key(&newer)).await).await;
        let mut by_new_token = house.open(house.openstack_link(&new_token).await).await;
        let mut by_other = house.open(house.link(&api.with_key(&other)).await).await;

        api.post(&format!("{path}/retire"), json!({})).await.done();
        for open in [by_older, by_old_token, under_another_key] {
            house.is_over(open).await;
        }
        for open in [&mut by_newer, &mut by_new_token, &mut by_other] {
            house.goes_on(open).await;
        }
        let status = async |token: &str| api.with_bearer(token).get("/api/v1/sessions").await.status;
        assert_eq!((status(&old_token).await, status(&for_other).await), (401, 401));
        assert_eq!(status(&new_token).await, 200);
    }
}

#[tokio::test]
async fn a_page_that_waits_under_a_revoked_token_is_told_when_it_comes_back() {
    for house in House::both().await {
        let api = house.asked.api();
        let member = api.add_key("alpha", "member").await;
        let token = house.issued(&member).await;
        let link = house.link(&api.with_bearer(&token)).await;
        let ticket = text(&api.exchange(json!({ "token": link })).await.done(), "ticket");
        let viewer = house.asked.viewer().ticket(&ticket).view().await;
        drop(viewer);
        house.machine.guest().await.ended().await;
        house.revoke(&token, &house.issued(&member).await).await;
        let answer = api.exchange(json!({ "ticket": ticket })).await;
        assert_eq!(answer.to_string(), TOLD);
        let session = api.newest_session().await;
        assert_eq!((&session["state"], &session["end_reason"]), (&json!("ended"), &json!("grant-revoked")));
    }
}
