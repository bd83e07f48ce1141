//! Presence in lists and as a stream of events without gaps.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use transom_testkit::Api;
use transom_testkit::api::text;
use transom_testkit::wait::within;

use crate::field::{Address, Field};

/// The time within which a revocation takes effect.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A reader of the events of `/api/v1/presence`.
struct Listener {
    answer: reqwest::Response,
    text: String,
}

#[derive(Debug, PartialEq, Eq)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

impl Listener {
    async fn start(api: &Api, query: &str, after: Option<&str>) -> Self {
        let mut request = api.request(Method::GET, &format!("/api/v1/presence{query}"));
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        let answer = within("the events' head", request.send()).await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// The next event; `None` if the stream has ended.
    async fn event(&mut self) -> Option<Event> {
        within("the next event", async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    let field = |name: &str| {
                        event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    };
                    // A keep-alive is a comment.
                    if let (Some(id), Some(kind), Some(data)) = (field("id"), field("event"), field("data")) {
                        let data = serde_json::from_str(data).unwrap();
                        return Some(Event { id: id.to_owned(), kind: kind.to_owned(), data });
                    }
                    continue;
                }
                let chunk = self.answer.chunk().await.ok()??;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        })
        .await
    }

    /// The address and the state of the next change.
    async fn change(&mut self) -> (String, String) {
        let event = self.event().await.expect("a change");
        assert_eq!(event.kind, "presence", "{event:?}");
        (text(&event.data, "address"), text(&event.data, "state"))
    }

    /// The changes so far, and the id from which later ones follow.
    async fn caught_up(&mut self) -> (Vec<(String, String)>, String) {
        let mut told = Vec::new();
        loop {
            let event = self.event().await.expect("it goes on");
            if event.kind == "current" {
                return (told, event.id);
            }
            told.push((text(&event.data, "address"), text(&event.data, "state")));
        }
    }
}

fn is(address: &Address, state: &str) -> (String, String) {
    (address.name.clone(), state.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_reported_in_order_and_a_returning_listener_receives_every_change() {
    for field in Field::both().await {
        let (first, second, third) = (field.listener().await, field.listener().await, field.listener().await);
        let device = field.device(&first).await;
        let mut listener = Listener::start(&field.api(), "", None).await;
        let (before, _) = listener.caught_up().await;
        assert_eq!(before, [is(&first, "online")]);
        let other = field.device(&second).await;
        assert_eq!(listener.change().await, is(&second, "online"));
        drop(device);
        assert_eq!(listener.change().await, is(&first, "offline"));
        let last = {
            drop(other);
            let event = listener.event().await.unwrap();
            assert_eq!(event.data["state"], "offline");
            assert_eq!(
                event.data["project"],
                field.server.api().get("/api/v1/projects").await.json()["items"][0]["id"]
            );
            event.id
        };
        // While no client listens, one device joins, one is removed, and one joins and leaves.
        drop(listener);
        let _third = field.device(&third).await;
        field.remove(&first).await;
        drop(field.device(&second).await);
        within("its leave", async {
            while field.server.api().get(&format!("/api/v1/addresses/{}", second.name)).await.json()["online"]
                == true
            {}
        })
        .await;
        let mut listener = Listener::start(&field.api(), "", Some(&last)).await;
        let (missed, current) = listener.caught_up().await;
        assert_eq!(missed, [is(&third, "online"), is(&first, "removed"), is(&second, "offline")]);
        // A listener without an id does not hear of removed addresses. A listener with an id from
        // the future starts over.
        let (all, _) = Listener::start(&field.api(), "", None).await.caught_up().await;
        assert_eq!(all, [is(&third, "online"), is(&second, "offline")]);
        let future = (current.parse::<i64>().unwrap() + 1000).to_string();
        let (again, _) = Listener::start(&field.api(), "", Some(&future)).await.caught_up().await;
        assert_eq!(again, all);
    }
}

#[tokio::test]
async fn a_restarted_server_reports_its_devices_as_offline_until_they_return() {
    let mut field = Field::set().await;
    let address = field.listener().await;
    let mut device = field.device(&address).await;
    let (_, last) = Listener::start(&field.api(), "", None).await.caught_up().await;
    (field.server, _) = tokio::join!(field.server.restart(), async move { device.sent_away().await });
    let mut listener = Listener::start(&field.api(), "", Some(&last)).await;
    assert_eq!(listener.caught_up().await.0, [is(&address, "offline")]);
    let _device = field.device(&address).await;
    assert_eq!(listener.change().await, is(&address, "online"));
}

#[tokio::test]
async fn a_key_can_follow_only_its_own_project_and_the_operator_any_project() {
    let field = Field::set().await;
    field.server.api().add_project("beta").await;
    let foreign = field.server.api().with_key(&field.server.api().add_key("beta", "reader").await);
    let address = field.listener().await;
    let _device = field.device(&address).await;
    assert_eq!(Listener::start(&foreign, "", None).await.caught_up().await.0, []);
    let refused = foreign.get("/api/v1/presence?project=alpha").await;
    assert_eq!(refused.to_string(), "404 not-found: project not found");
    let operator = field.server.api();
    for (query, told) in [("", 1), ("?project=alpha", 1), ("?project=beta", 0)] {
        assert_eq!(Listener::start(operator, query, None).await.caught_up().await.0.len(), told, "{query}");
    }
    let own = format!("?key={}", field.key.id);
    assert_eq!(Listener::start(operator, &own, None).await.caught_up().await.0.len(), 1);
    // Another key of the same project sees the same addresses. A request for one key's addresses
    // returns only those.
    let sister = operator.add_key("alpha", "reader").await;
    let query = format!("?key={}", sister.id);
    assert_eq!(Listener::start(&operator.with_key(&sister), &query, None).await.caught_up().await.0, []);
    assert_eq!(Listener::start(&operator.with_key(&sister), "", None).await.caught_up().await.0.len(), 1);
}

#[tokio::test]
async fn a_moved_address_is_removed_for_followers_of_its_old_key() {
    let field = Field::set().await;
    let address = field.listener().await;
    let _device = field.device(&address).await;
    let operator = field.server.api();
    let sister = operator.add_key("alpha", "member").await;
    let mut old = Listener::start(operator, &format!("?key={}", field.key.id), None).await;
    let mut new = Listener::start(operator, &format!("?key={}", sister.id), None).await;
    assert_eq!(old.caught_up().await.0, [is(&address, "online")]);
    assert_eq!(new.caught_up().await.0, []);
    let path = format!("/api/v1/addresses/{}/move", address.name);
    operator.post(&path, json!({ "to_key": sister.id })).await.done();
    assert_eq!(old.change().await, is(&address, "removed"));
    assert_eq!(new.change().await, is(&address, "online"));
}

#[tokio::test]
async fn a_presence_stream_ends_with_its_key_its_secret_its_token_and_its_server() {
    let field = Field::set().await;
    let operator = field.server.api();
    let listening = async |api: &Api| {
        let mut listener = Listener::start(api, "", None).await;
        listener.caught_up().await;
        listener
    };
    let ends = async |listener: &mut Listener| {
        assert_eq!(timeout(AT_ONCE, listener.event()).await.expect("it ends within a second"), None);
    };
    let admin = operator.add_key("alpha", "admin").await;
    // A token is revoked.
    let made = operator.post(&format!("/api/v1/keys/{}/token", admin.id), json!({})).await.done();
    let token = text(&made, "token");
    let mut by_token = listening(&operator.with_bearer(&token)).await;
    let mut by_secret = listening(&operator.with_key(&admin)).await;
    let revoke = operator.with_key(&admin).request(Method::DELETE, "/v3/auth/tokens");
    let revoked =
        revoke.header("X-Auth-Token", &token).header("X-Subject-Token", &token).send().await.unwrap();
    assert_eq!(revoked.status().as_u16(), 204);
    ends(&mut by_token).await;
    // A secret is retired. A client with the new secret stays connected.
    let rotated = operator.post(&format!("/api/v1/keys/{}/rotate", admin.id), json!({})).await.done();
    let renewed = transom_testkit::Key { id: admin.id.clone(), secret: text(&rotated, "secret") };
    let mut by_new_secret = listening(&operator.with_key(&renewed)).await;
    operator.post(&format!("/api/v1/keys/{}/retire", admin.id), json!({})).await.done();
    ends(&mut by_secret).await;
    let address = field.listener().await;
    let device = field.device(&address).await;
    assert_eq!(by_new_secret.change().await, is(&address, "online"));
    // The key is revoked.
    operator.delete(&format!("/api/v1/keys/{}", admin.id)).await.done();
    ends(&mut by_new_secret).await;
    // A token expires.
    let path = format!("/api/v1/keys/{}/token", field.key.id);
    let made = operator.post(&path, json!({"ttl_seconds": 1})).await.done();
    let mut short = listening(&operator.with_bearer(&text(&made, "token"))).await;
    assert_eq!(short.event().await, None);
    // The server stops.
    drop(device);
    let mut left = listening(operator).await;
    // The device's departure may still be delivered.
    let ends = async { while left.event().await.is_some() {} };
    tokio::join!(field.server.stop(), ends);
}

#[tokio::test]
async fn a_wrong_event_id_and_too_many_listeners_are_refused() {
    let field = Field::set().await;
    let wrong = field.api().request(Method::GET, "/api/v1/presence").header("Last-Event-ID", "yesterday");
    let wrong = transom_testkit::api::send(wrong).await;
    assert_eq!(wrong.to_string(), "400 invalid: Last-Event-ID: must be the id of an event");
    let mut listeners = Vec::new();
    for _ in 0..32 {
        listeners.push(Listener::start(&field.api(), "", None).await);
    }
    let refused = field.api().get("/api/v1/presence").await;
    assert_eq!((refused.status, refused.headers["retry-after"].to_str().unwrap()), (503, "1"));
    // Another caller's limit is separate, and a slot that is given up is free.
    Listener::start(field.server.api(), "", None).await.caught_up().await;
    drop(listeners);
    within("a free place", async {
        while field.api().request(Method::GET, "/api/v1/presence").send().await.unwrap().status() == 503 {}
    })
    .await;
}
