//! The programs that a fleet's devices run.

use crate::field::Field;
use crate::peer::Peer;

#[tokio::test]
async fn the_server_shows_a_devices_program_and_audits_its_changes() {
    for field in Field::both().await {
        let device = field.listener().await;
        let api = field.server.api();
        let shown = async || {
            api.get(&format!("/api/v1/addresses/{}", device.name)).await.done()["agent_version"].clone()
        };
        assert!(shown().await.is_null(), "none has joined");
        let server = field.server.address();
        // Characters that control a terminal or change the direction are removed.
        let old = Peer::join_with(server, &device, "transom 0.0.9\u{1b}\u{202e}\n").await.unwrap();
        assert_eq!(shown().await, "transom 0.0.9");
        assert_eq!(field.told("device.program").await, [], "a first join is no change");
        let again = Peer::join_with(server, &device, "transom 0.0.9").await.unwrap();
        let new = Peer::join_with(server, &device, "transom 0.1.0").await.unwrap();
        assert_eq!(shown().await, "transom 0.1.0");
        let told = field.told_so_often("device.program", 1).await;
        let detail = "transom 0.1.0 has joined; the previous program was transom 0.0.9";
        assert_eq!(told, [("ok".to_owned(), detail.to_owned())]);
        let list = api.get("/api/v1/addresses?online=true").await.done();
        assert_eq!(list["items"][0]["agent_version"], "transom 0.1.0");
        drop((old, again, new));
    }
}
