//! Resume tickets: a page returns with one and rotates it, and a copy is useless.

use serde_json::json;
use transom_testkit::wait::within;
use transom_testkit::{FaultProxy, Instance, Script, Step, TestServer, postgres};

use crate::stage::{Stage, assert_live, exchanged, refused};

#[tokio::test]
async fn a_page_returns_to_an_instance_that_was_restarted() {
    let stage = Stage::set().await;
    let (mut viewer, guest, ticket) = stage.page().await;
    let session = stage.server.api().newest_session().await["id"].clone();
    drop(guest);
    assert_eq!(viewer.closed().await.to_string(), "4433 The machine closed the connection.");
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().ticket(&fresh).view().await;
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
    assert_eq!(stage.server.api().newest_session().await["id"], session);
}

#[tokio::test]
async fn a_token_is_exchanged_for_a_ticket_that_opens_the_console() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    let answer = stage.server.api().exchange(json!({ "token": token })).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = answer.done();
    assert_eq!(body["websocket"], "/console/session");
    assert_eq!(body["instance"]["id"], stage.id);
    let grant = stage.server.api().get("/api/v1/links").await.done()["items"][0].clone();
    assert_eq!(body["instance"]["project"], grant["project"], "ids are unique within a project only");
    assert_eq!(body["rights"], json!({ "view_only": false, "clipboard": true }));
    let ticket = body["ticket"].as_str().unwrap();
    let mut viewer = stage.server.viewer().ticket(ticket).view().await;
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
}

#[tokio::test]
async fn an_exchange_reserves_the_use() {
    let stage = Stage::set().await;
    let token = stage.token().await;
    exchanged(&stage.server, json!({ "token": token })).await;
    let again = stage.server.api().exchange(json!({ "token": token })).await;
    assert_eq!(again.to_string(), "401 token-spent: This console link has already been used.");
}

#[tokio::test]
async fn an_exchange_of_an_unknown_token_is_refused_with_its_reason() {
    let stage = Stage::set().await;
    let exchange = |question| stage.server.api().exchange(question);
    for (question, refusal) in [
        (json!({ "token": "nobody-knows-it" }), "401 token-unknown: This console link is not valid."),
        (
            json!({ "ticket": "nobody-knows-it" }),
            "401 ticket-invalid: This page can no longer return to its session.",
        ),
        (json!({}), "400 token-missing: This console link has no token."),
        (json!({ "token": "a", "ticket": "b" }), "400 token-missing: This console link has no token."),
        (json!({ "tokn": "a" }), "400 invalid: the body must be {\"token\": …} or {\"ticket\": …}"),
        (json!([]), "400 invalid: the body must be {\"token\": …} or {\"ticket\": …}"),
    ] {
        assert_eq!(exchange(question).await.to_string(), refusal);
    }
}

#[tokio::test]
async fn a_page_that_lost_its_network_returns_to_its_session() {
    let stage = Stage::set().await;
    let network = FaultProxy::start(stage.server.address()).await;
    let ticket = stage.ticket().await;
    let mut viewer = stage.server.viewer().via(network.address()).ticket(&ticket).view().await;
    let mut guest = stage.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    let session = stage.server.api().newest_session().await["id"].clone();

    network.cut();
    guest.ended().await;

    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().via(network.address()).ticket(&fresh).view().await;
    let mut guest = stage.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    let resumed = stage.server.api().newest_session().await;
    assert_eq!((&resumed["id"], &resumed["state"]), (&session, &json!("live")));
}

#[tokio::test]
async fn an_exchange_with_a_lost_response_may_be_repeated() {
    let stage = Stage::set().await;
    let (viewer, mut guest, ticket) = stage.page().await;
    drop(viewer);
    guest.ended().await;
    let lost = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().ticket(&fresh).view().await;
    let mut guest = stage.machine.guest().await;
    assert_live(&mut viewer, &mut guest).await;
    // A ticket that was lost on the way is useless to its finder: the session ends.
    assert_eq!(
        refused(stage.server.viewer().ticket(&lost)).await,
        "403 ticket-replayed: This session's resume ticket was used twice, so Transom ended the session."
    );
}

/// The number of audit records of old tickets.
async fn replays(stage: &Stage) -> usize {
    let audit = stage.server.api().get("/api/v1/audit?after=0&limit=1000").await.done();
    let entries = audit["items"].as_array().unwrap();
    entries.iter().filter(|entry| entry["action"] == "ticket.replay").count()
}

#[tokio::test]
async fn a_copied_ticket_of_an_open_page_is_exchanged_twice_and_then_ends_both() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, ticket) = stage.page().await;
    let exchange = async || stage.server.api().exchange(json!({ "ticket": ticket })).await;
    let first = transom_testkit::api::text(&exchange().await.done(), "ticket");
    let second = transom_testkit::api::text(&exchange().await.done(), "ticket");
    assert_live(&mut viewer, &mut guest).await;
    assert_eq!(exchange().await.status, 403);
    let closed = viewer.closed().await.to_string();
    assert_eq!(closed, "4406 This session's resume ticket was used twice, so Transom ended the session.");
    assert_eq!(replays(&stage).await, 1);
    for given in [first, second] {
        let told = refused(stage.server.viewer().ticket(&given)).await;
        assert!(told.starts_with("403 ticket-replayed"), "{told}");
    }
    assert_eq!(replays(&stage).await, 1);
}

#[tokio::test]
async fn an_old_ticket_of_a_waiting_session_is_refused_and_the_session_continues() {
    let stage = Stage::set().await;
    let (viewer, mut guest, ticket) = stage.page().await;
    drop(viewer);
    guest.ended().await;
    within("the session waits for its page", async {
        while stage.server.api().newest_session().await["state"] != "detached" {}
    })
    .await;
    let lost = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let refusal = "401 ticket-invalid: This page can no longer return to its session.";
    let again = stage.server.api().exchange(json!({ "ticket": ticket })).await;
    assert_eq!(again.to_string(), refusal);
    for old in [&ticket, &lost] {
        assert_eq!(refused(stage.server.viewer().ticket(old)).await, refusal);
    }
    assert_eq!(replays(&stage).await, 3);
    let mut viewer = stage.server.viewer().ticket(&fresh).view().await;
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
}

#[tokio::test]
async fn the_exchanges_of_a_session_are_limited_and_its_page_continues() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, mut ticket) = stage.page().await;
    let limited = within("the limit", async {
        loop {
            let answer = stage.server.api().exchange(json!({ "ticket": ticket })).await;
            if answer.status != 200 {
                break answer.to_string();
            }
            ticket = transom_testkit::api::text(&answer.done(), "ticket");
        }
    })
    .await;
    assert!(limited.starts_with("429 rate-limited: "), "{limited}");
    assert_live(&mut viewer, &mut guest).await;
    assert_eq!(replays(&stage).await, 0);
    // A ticket that was not exchanged stays valid.
    let mut next = stage.server.viewer().ticket(&ticket).view().await;
    guest.ended().await;
    assert_live(&mut next, &mut stage.machine.guest().await).await;
    // Another session has its own limit.
    let other = stage.ticket().await;
    exchanged(&stage.server, json!({ "ticket": other })).await;
}

#[tokio::test]
async fn repeated_use_of_old_tickets_does_not_fill_the_audit() {
    let stage = Stage::set().await;
    let ticket = stage.ticket().await;
    for _ in 0..2 {
        exchanged(&stage.server, json!({ "ticket": ticket })).await;
    }
    for _ in 0..20 {
        assert_eq!(stage.server.api().exchange(json!({ "ticket": ticket })).await.status, 401);
    }
    let told = replays(&stage).await;
    assert!((1..=6).contains(&told), "{told}");
}

#[tokio::test]
async fn a_second_presentation_of_a_ticket_ends_its_session() {
    let stage = Stage::set().await;
    let (mut viewer, mut guest, ticket) = stage.page().await;
    assert_eq!(
        refused(stage.server.viewer().ticket(&ticket)).await,
        "403 ticket-replayed: This session's resume ticket was used twice, so Transom ended the session."
    );
    assert_eq!(
        viewer.closed().await.to_string(),
        "4406 This session's resume ticket was used twice, so Transom ended the session."
    );
    guest.ended().await;
    assert_eq!(stage.end_reason().await, "ticket-replayed");
}

#[tokio::test]
async fn the_use_of_a_rotated_ticket_ends_its_session() {
    let stage = Stage::set().await;
    let (old, mut guest, ticket) = stage.page().await;
    drop(old);
    guest.ended().await;
    let second = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut viewer = stage.server.viewer().ticket(&second).view().await;
    let _guest = stage.machine.guest().await;
    let shown = stage.server.api().exchange(json!({ "ticket": ticket })).await;
    assert_eq!(
        shown.to_string(),
        "403 ticket-replayed: This session's resume ticket was used twice, so Transom ended the session."
    );
    assert_eq!(
        viewer.closed().await.to_string(),
        "4406 This session's resume ticket was used twice, so Transom ended the session."
    );
}

#[tokio::test]
async fn the_newest_presenter_takes_over_and_the_previous_one_is_told() {
    let stage = Stage::set().await;
    let (mut old, mut guest, ticket) = stage.page().await;
    let fresh = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut new = stage.server.viewer().ticket(&fresh).view().await;
    assert_eq!(old.closed().await.to_string(), "4408 This session was opened again elsewhere.");
    guest.ended().await;
    let mut guest = stage.machine.guest().await;
    assert_live(&mut new, &mut guest).await;
    let sessions = stage.server.api().get("/api/v1/sessions").await.done();
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1, "it is one session all along");
    assert_eq!(sessions["items"][0]["state"], "live");
}

#[tokio::test]
async fn a_resume_whose_dial_fails_may_be_tried_again() {
    let stage = Stage::set().await;
    let (old, mut guest, ticket) = stage.page().await;
    drop(old);
    guest.ended().await;

    let path = stage.server.instance_path(&stage.id);
    let broken = Instance::start(Script::default().closes_before(Step::Security)).await;
    stage.server.api().patch(&path, json!({ "endpoint": broken.endpoint(), "moved": true })).await.done();
    let second = exchanged(&stage.server, json!({ "ticket": ticket })).await;
    let mut failing = stage.server.viewer().ticket(&second).open().await.unwrap();
    assert_eq!(failing.closed().await.code, Some(4427));

    stage
        .server
        .api()
        .patch(&path, json!({ "endpoint": stage.machine.endpoint(), "moved": true }))
        .await
        .done();
    let third = exchanged(&stage.server, json!({ "ticket": second })).await;
    let mut viewer = stage.server.viewer().ticket(&third).view().await;
    assert_live(&mut viewer, &mut stage.machine.guest().await).await;
}

#[tokio::test]
async fn exchanges_and_presentations_in_a_loop_are_limited_and_the_page_stays() {
    let stage = Stage::set().await;
    let mut ticket = stage.ticket().await;
    let mut viewers = Vec::new();
    let limited = within("the limit", async {
        loop {
            viewers.push(stage.server.viewer().ticket(&ticket).view().await);
            let answer = stage.server.api().exchange(json!({ "ticket": ticket })).await;
            if answer.status != 200 {
                return answer;
            }
            ticket = transom_testkit::api::text(&answer.done(), "ticket");
        }
    })
    .await;
    assert!(limited.to_string().starts_with("429 rate-limited: "), "{limited}");
    // The number of exchanges in a minute and the first presentation. A slow machine has regained
    // some of them.
    assert!((21..40).contains(&viewers.len()), "{}", viewers.len());
    let mut newest = viewers.pop().unwrap();
    for mut older in viewers {
        assert_eq!(older.closed().await.code, Some(4408), "each was taken over by the next");
    }
    let mut guests = Vec::new();
    while guests.len() < stage.machine.arrived() {
        guests.push(stage.machine.guest().await);
    }
    assert_live(&mut newest, guests.last_mut().unwrap()).await;
    assert_eq!(replays(&stage).await, 0);
}

#[tokio::test]
async fn an_unrecorded_departure_can_be_repeated_with_the_same_ticket() {
    // Makes the database refuse audit records, as on a full disk.
    const FULL: &str = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
        $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$; \
        CREATE TRIGGER full_disk BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION full_disk()";
    let database = postgres::database();
    let server = TestServer::setup().database(database.clone()).start().await;
    let stage = Stage::on(server, Script::default()).await;
    let token = stage.token().await;
    let reserved = exchanged(&stage.server, json!({ "token": token })).await;
    let (viewer, mut guest, detached) = stage.page().await;
    drop(viewer);
    guest.ended().await;
    within("the session waits for its page", async {
        while stage.server.api().newest_session().await["state"] != "detached" {}
    })
    .await;
    postgres::run(&database, FULL);
    let leave = |ticket: &str| stage.server.api().exchange(json!({ "ticket": ticket, "leave": true }));
    for ticket in [&reserved, &detached] {
        for _ in 0..3 {
            assert_eq!(leave(ticket).await.status, 503);
        }
    }
    postgres::run(&database, "DROP TRIGGER full_disk ON audit");
    for ticket in [&reserved, &detached] {
        assert_eq!(leave(ticket).await.status, 204);
    }
    assert_eq!(stage.end_reason().await, "viewer-closed");
    assert_eq!(replays(&stage).await, 0);
    // Its use was returned.
    exchanged(&stage.server, json!({ "token": token })).await;
}
