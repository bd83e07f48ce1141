//! Restarts: pages are told, and their sessions return.

use serde_json::json;
use tokio::join;

use crate::stage::{Stage, assert_live, exchanged};

#[tokio::test]
async fn a_drain_notifies_every_session_and_its_page_returns_after_the_restart() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, ticket) = stage.page().await;
    let Stage { server, machine, id: _ } = stage;
    let (server, closed) = join!(server.restart(), viewer.closed());
    assert_eq!(closed.to_string(), "4415 Transom is being restarted.");
    guest.ended().await;

    let fresh = exchanged(&server, json!({ "ticket": ticket })).await;
    let mut viewer = server.viewer().ticket(&fresh).view().await;
    assert_live(&mut viewer, &mut machine.guest().await).await;
}

#[tokio::test]
async fn a_draining_server_accepts_no_new_sessions() {
    let stage = Stage::set().await;
    let token = stage.reusable().await;
    stage.server.app().live.close(&transom_model::EndReason::ShuttingDown.into());
    let ready = stage.server.api().get("/readyz").await;
    assert_eq!((ready.status, ready.text.as_str()), (503, "draining\n"));
    assert_eq!(
        crate::stage::refused(stage.server.viewer().token(&token)).await,
        "503 shutting-down: Transom is being restarted."
    );
}

#[tokio::test]
async fn a_link_from_before_a_restart_opens_after_it() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let Stage { server, machine, id: _ } = stage;
    let server = server.restart().await;
    let mut viewer = server.viewer().token(&token).view().await;
    assert_live(&mut viewer, &mut machine.guest().await).await;
}

#[tokio::test]
async fn a_second_server_on_the_same_data_does_not_start() {
    let setup = transom_testkit::TestServer::setup();
    let _first = setup.clone().start().await;
    let options = transom_server::Options {
        data: setup.folder().join("data"),
        config: transom_config::Config::default(),
        database: None,
        tls: transom_server::Tls::Off,
        master_key: None,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = transom_server::Server::start(options, listener).await.err().unwrap();
    assert!(error.to_string().ends_with("another server uses this data folder"), "{error}");
}
