//! Secrets: none appears in the log of a whole run, at any level.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use transom_testkit::{Instance, Script, Step, TestServer, log};

use crate::stage::{Stage, assert_live, exchanged};

const PASSWORD: &str = "hushhush";
const WRONG: &str = "hushnope";
const HEADER: &str = "hushed-header";

#[tokio::test]
async fn no_token_ticket_secret_or_password_is_in_any_log_line() {
    let log = log::capture();
    let mut secrets = vec![PASSWORD.to_owned(), WRONG.to_owned(), HEADER.to_owned()];
    let server = TestServer::start().await;
    let api = server.api().clone();
    secrets.push(server.server().admin().token.clone());

    // Correct and wrong keys.
    let key = api.add_key("alpha", "admin").await;
    let rotated = api.post(&format!("/api/v1/keys/{}/rotate", key.id), json!({})).await.done();
    secrets.extend([key.secret.clone(), transom_testkit::api::text(&rotated, "secret")]);
    let keyed = api.with_key(&key);
    keyed.get("/api/v1/projects").await.done();
    for guess in ["guess-of-a-secret", "guess-of-a-token"] {
        api.with_key(&transom_testkit::Key { id: key.id.clone(), secret: guess.to_owned() })
            .get("/api/v1/keys")
            .await;
        api.with_bearer(guess).get("/api/v1/keys").await;
        api.exchange(json!({ "token": guess })).await;
        api.exchange(json!({ "ticket": guess })).await;
        let _ = server.viewer().token(guess).open().await;
        let _ = server.viewer().ticket(guess).open().await;
        let _ = server.viewer().path(&format!("/console?token={guess}")).connect().await;
        api.get(&format!("/console?token={guess}")).await;
        api.get(&format!("/api/v1/{guess}?token={guess}")).await;
        secrets.push(guess.to_owned());
    }

    // Consoles through every way in, successful and failed.
    let machine = Instance::start(Script::default().password(PASSWORD)).await;
    for password in [Some(PASSWORD), Some(WRONG), None] {
        let id = server.add_with(&machine, json!({ "password": password })).await;
        let console = keyed.console("alpha", &id, json!({ "uses": 0 })).await;
        secrets.push(console.token.clone());
        let mut viewer = server.viewer().token(&console.token).open().await.unwrap();
        if viewer.greet().await.is_ok() {
            let mut guest = machine.guest().await;
            assert_live(&mut viewer, &mut guest).await;
            viewer.send_message(Message::Close(None)).await.unwrap();
            viewer.closed().await;
        }
        let path = format!("/console?token={}", console.token);
        drop(server.viewer().path(&path).connect().await.unwrap());
        let ticket = exchanged(&server, json!({ "token": console.token })).await;
        let _ = server.viewer().ticket(&ticket).open().await.unwrap().greet().await;
        let _ = server.viewer().ticket(&ticket).open().await;
        secrets.push(ticket);
        api.delete(&format!("/api/v1/links/{}", console.grant)).await.done();
        let _ = server
            .viewer()
            .token(&console.token)
            .origin(&server.origin())
            .open()
            .await
            .unwrap()
            .closed()
            .await;
    }
    for script in [Script::default().holds(Step::Init), Script::default().greets(b"220 ftp\r\n")] {
        let stage_machine = Instance::start(script).await;
        let id = server.add_with(&stage_machine, json!({ "password": PASSWORD })).await;
        let console = server.console(&id).await;
        secrets.push(console.token.clone());
        let viewer =
            server.viewer().token(&console.token).cookie(&format!("token={}", console.token)).open().await;
        drop(viewer);
    }
    // Headers, which are sent to a server and refused in a request.
    let refusing = Instance::start(Script::default().greets(b"HTTP/1.1 401 Unauthorized\r\n\r\n")).await;
    let endpoint = refusing.endpoint().replace("vnc://", "ws://");
    let body = json!({ "endpoint": endpoint, "headers": format!("Authorization: Bearer {HEADER}") });
    let id = api.add_instance("alpha", body).await;
    server.viewer().token(&server.console(&id).await.token).open().await.unwrap().closed().await;
    for headers in [HEADER.to_owned(), format!("{HEADER} x: y"), format!("Host: {HEADER}")] {
        let refused = api.patch(&server.instance_path(&id), json!({ "headers": headers })).await;
        assert!(refused.status == 400 && !refused.text.contains(HEADER), "{refused}");
    }
    // A restart.
    let stage = Stage::on(server, Script::default()).await;
    let (viewer, _guest, ticket) = stage.page().await;
    secrets.push(ticket);
    stage.server.restart().await.stop().await;
    drop(viewer);

    let text = log.text();
    assert!(text.contains("session ended"), "the log was not captured");
    for line in text.lines() {
        for secret in &secrets {
            assert!(!line.contains(secret.as_str()), "a secret is in the log: {line}");
        }
    }
}
