//! Proofs: whatever is created with a token or a key's secret ends with it.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::time::timeout;
use transom_testkit::api::{Answer, send, text};
use transom_testkit::{Api, Guest, Instance, Key, Script, TestServer, Viewer, postgres};

use crate::stage::assert_live;

const REVOKED: &str = "4404 Access to this console was revoked.";
const TOLD: &str = "403 link-revoked: Access to this console was revoked.";
/// The design's promise for every ending.
const PROMPT: Duration = Duration::from_secs(1);

/// A server, and the node of its viewers, which is a different node if the database permits.
struct Installation {
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

impl Installation {
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

    /// The token of a link with unlimited use.
    async fn link(&self, api: &Api) -> String {
        api.console("alpha", &self.id, json!({ "uses": 0, "ttl_seconds": 3600 })).await.token
    }

    /// The token of a link that was requested in OpenStack's dialect.
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

    /// Asserts that the session ends within a second and that the link opens no other session, on
    /// either node.
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

    /// Asserts that the session continues and that the link opens another one.
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

/// A token obtained with another one, from the identity service.
async fn got_for(api: &Api, token: &str) -> String {
    let auth = json!({ "auth": { "identity": { "methods": ["token"], "token": { "id": token } } } });
    let Answer { headers, .. } = api.anonymous().post("/v3/auth/tokens", auth).await;
    headers["x-subject-token"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn everything_created_with_a_token_ends_with_its_revocation_on_every_node() {
    for installation in Installation::both().await {
        let api = installation.asked.api();
        let member = api.add_key("alpha", "member").await;
        let (root, beside) = (installation.issued(&member).await, installation.issued(&member).await);
        let child = got_for(api, &got_for(api, &root).await).await;
        let by_token = installation.open(installation.link(&api.with_bearer(&root)).await).await;
        let by_child = installation.open(installation.link(&api.with_bearer(&child)).await).await;
        let of_openstack = installation.open(installation.openstack_link(&child).await).await;
        let unopened = installation.link(&api.with_bearer(&child)).await;
        let mut by_another = installation.open(installation.link(&api.with_bearer(&beside)).await).await;
        let mut by_secret = installation.open(installation.link(&api.with_key(&member)).await).await;

        installation.revoke(&root, &beside).await;
        for open in [by_token, by_child, of_openstack] {
            installation.is_over(open).await;
        }
        installation.opens_nothing(&unopened).await;
        for open in [&mut by_another, &mut by_secret] {
            installation.goes_on(open).await;
        }
    }
}

/// Keystone's clients revoke their tokens routinely, and upstream's consoles outlive them.
#[tokio::test]
async fn consoles_of_openstacks_dialect_survive_the_revocation_of_their_token_by_its_holder() {
    for installation in Installation::both().await {
        let api = installation.asked.api();
        let member = api.add_key("alpha", "member").await;
        let token = installation.issued(&member).await;
        let native = installation.open(installation.link(&api.with_bearer(&token)).await).await;
        let mut of_openstack = installation.open(installation.openstack_link(&token).await).await;
        installation.revoke(&token, &token).await;
        installation.is_over(native).await;
        installation.goes_on(&mut of_openstack).await;
    }
}

#[tokio::test]
async fn retiring_a_secret_ends_everything_created_with_it_and_only_that() {
    for installation in Installation::both().await {
        let api = installation.asked.api();
        let older = api.add_key("alpha", "admin").await;
        let path = format!("/api/v1/keys/{}", older.id);
        let rotated = api.post(&format!("{path}/rotate"), json!({})).await.done();
        let newer = Key { id: older.id.clone(), secret: text(&rotated, "secret") };
        let old_token = installation.issued(&older).await;
        let new_token = got_for(api, &installation.issued(&newer).await).await;
        let other = api.add_key("alpha", "member").await;
        let for_other = format!("/api/v1/keys/{}/token", other.id);
        let for_other = text(&api.with_key(&older).post(&for_other, json!({})).await.done(), "token");

        let by_older = installation.open(installation.link(&api.with_key(&older)).await).await;
        let by_old_token = installation.open(installation.link(&api.with_bearer(&old_token)).await).await;
        let under_another_key =
            installation.open(installation.link(&api.with_bearer(&for_other)).await).await;
        let mut by_newer = installation.open(installation.link(&api.with_key(&newer)).await).await;
        let mut by_new_token = installation.open(installation.openstack_link(&new_token).await).await;
        let mut by_other = installation.open(installation.link(&api.with_key(&other)).await).await;

        api.post(&format!("{path}/retire"), json!({})).await.done();
        for open in [by_older, by_old_token, under_another_key] {
            installation.is_over(open).await;
        }
        for open in [&mut by_newer, &mut by_new_token, &mut by_other] {
            installation.goes_on(open).await;
        }
        let status = async |token: &str| api.with_bearer(token).get("/api/v1/sessions").await.status;
        assert_eq!((status(&old_token).await, status(&for_other).await), (401, 401));
        assert_eq!(status(&new_token).await, 200);
    }
}

#[tokio::test]
async fn a_page_of_a_revoked_token_is_told_when_it_returns() {
    for installation in Installation::both().await {
        let api = installation.asked.api();
        let member = api.add_key("alpha", "member").await;
        let token = installation.issued(&member).await;
        let link = installation.link(&api.with_bearer(&token)).await;
        let ticket = text(&api.exchange(json!({ "token": link })).await.done(), "ticket");
        let viewer = installation.asked.viewer().ticket(&ticket).view().await;
        drop(viewer);
        installation.machine.guest().await.ended().await;
        installation.revoke(&token, &installation.issued(&member).await).await;
        let answer = api.exchange(json!({ "ticket": ticket })).await;
        assert_eq!(answer.to_string(), TOLD);
        let session = api.newest_session().await;
        assert_eq!((&session["state"], &session["end_reason"]), (&json!("ended"), &json!("link-revoked")));
    }
}
