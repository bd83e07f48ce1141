//! The setup of most tests, and the format of refusals.

use serde_json::json;
use transom_model::EndReason;
use transom_model::end_reason::End;
use transom_testkit::wait::within;
use transom_testkit::{Guest, Instance, Opening, Script, TestServer, Viewer};

/// A server with one correct instance.
pub(crate) struct Stage {
    pub(crate) server: TestServer,
    pub(crate) machine: Instance,
    pub(crate) id: String,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::on(TestServer::start().await, Script::default()).await
    }

    pub(crate) async fn with(script: Script) -> Self {
        Self::on(TestServer::start().await, script).await
    }

    pub(crate) async fn on(server: TestServer, script: Script) -> Self {
        let machine = Instance::start(script).await;
        let id = server.add(&machine).await;
        Self { server, machine, id }
    }

    /// The token of a console URL with one use.
    pub(crate) async fn token(&self) -> String {
        self.server.console(&self.id).await.token
    }

    /// The token of a console URL with unlimited use.
    pub(crate) async fn reusable(&self) -> String {
        self.server.console_with(&self.id, json!({ "uses": 0 })).await.token
    }

    /// A ticket for a new session.
    pub(crate) async fn ticket(&self) -> String {
        let token = self.token().await;
        exchanged(&self.server, json!({ "token": token })).await
    }

    /// A viewer with an open console, and the instance's side of it.
    pub(crate) async fn session(&self) -> (Viewer, Guest) {
        let viewer = self.server.viewer().token(&self.token().await).view().await;
        (viewer, self.machine.guest().await)
    }

    /// A page with an open console and its ticket, with which the page can return.
    pub(crate) async fn page(&self) -> (Viewer, Guest, String) {
        let ticket = self.ticket().await;
        let viewer = self.server.viewer().ticket(&ticket).view().await;
        (viewer, self.machine.guest().await, ticket)
    }

    /// The reason why the newest session ended, once it has.
    pub(crate) async fn end_reason(&self) -> String {
        within("the session's end", async {
            loop {
                if let Some(reason) = self.server.api().newest_session().await["end_reason"].as_str() {
                    return reason.to_owned();
                }
            }
        })
        .await
    }
}

/// Exchanges a token or a ticket for a ticket.
pub(crate) async fn exchanged(server: &TestServer, question: serde_json::Value) -> String {
    let answer = server.api().exchange(question).await.done();
    transom_testkit::api::text(&answer, "ticket")
}

/// The HTTP response to a refused client.
pub(crate) async fn refused(opening: Opening) -> String {
    match opening.open().await {
        Err(refused) => refused.to_string(),
        Ok(_) => panic!("it was let in"),
    }
}

/// The close frame of a refused page's WebSocket.
pub(crate) async fn turned_away(opening: Opening) -> String {
    opening.open().await.expect("a page is upgraded first").closed().await.to_string()
}

/// A close code and a text with details for the viewer, cut to the size of a close frame.
pub(crate) fn closing(reason: EndReason, words: &str) -> String {
    format!("{} {}", reason.close_code(), End::for_viewers(reason, words).close_text())
}

/// A close code and the sentence alone, which is all that a viewer learns of the instance.
pub(crate) fn plain(reason: EndReason) -> String {
    format!("{} {}", reason.close_code(), reason.sentence())
}

/// The audit's detail on the newest console that did not open, which its viewer does not see.
pub(crate) async fn kept(server: &TestServer) -> String {
    let audit = server.api().get("/api/v1/audit").await.done();
    let records = audit["items"].as_array().expect("records").iter().rev();
    let failed = records.into_iter().find(|record| record["action"] == "session.fail").expect("a failure");
    failed["detail"].as_str().unwrap_or_default().to_owned()
}

/// A key press on the wire (RFC 6143 §7.5.4).
pub(crate) fn key(letter: u8) -> [u8; 8] {
    [4, 1, 0, 0, 0, 0, 0, letter]
}

/// Asserts that typed input arrives, so the session is live.
pub(crate) async fn assert_live(viewer: &mut Viewer, guest: &mut Guest) {
    viewer.send(&key(b'a')).await.expect("the viewer is connected");
    assert_eq!(guest.take(8).await, key(b'a'));
    guest.send(b"pixels");
    assert_eq!(viewer.take(6).await.expect("pixels"), b"pixels");
}
