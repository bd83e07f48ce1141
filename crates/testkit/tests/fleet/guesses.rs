//! The limit on guesses of the repeater protocol's numbers. It applies to all sources together and
//! counts only wrong numbers.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use transom_testkit::api::config;
use transom_testkit::fault::FaultProxy;
use transom_testkit::full_disk::SmallDisk;
use transom_testkit::server::Setup;
use transom_testkit::wait::within;
use transom_testkit::{TestServer, clock, log, postgres};

use crate::field::{Address, Field};
use crate::repeater::{VERSION, ended};

/// The number of wrong numbers per minute that all sources share.
const IN_ALL: usize = 3;

fn setup() -> Setup {
    let repeater = format!(
        "[repeater]\ndevices = \"127.0.0.1:0\"\nviewers = \"127.0.0.1:0\"\nwrong_tickets_per_minute_in_all = {IN_ALL}"
    );
    TestServer::setup().config(|own| own.repeater = config(&repeater).repeater)
}

/// A number that almost certainly does not exist.
fn wrong(n: usize) -> String {
    (500_000_000 + n).to_string()
}

async fn refused(field: &Field, what: &str) -> usize {
    field.server.api().metric(&format!("transom_guesses_refused_total{{what=\"{what}\"}}")).await as usize
}

/// Returns whether a device with this ticket is admitted.
async fn joins(field: &Field, address: &Address, ticket: &str) -> bool {
    let mut device = field.shows(ticket, &[262]).await;
    let name = address.name.parse().unwrap();
    let waits = within("it is in or out", async {
        loop {
            if field.server.app().devices.joined.listening(&name).is_some() {
                return true;
            }
            if timeout(Duration::from_millis(20), device.read_u8()).await.is_ok() {
                return false;
            }
        }
    });
    waits.await
}

#[tokio::test]
async fn guesses_of_numbers_are_limited_even_from_this_machine_and_letters_are_unaffected() {
    let log = log::capture();
    let field = Field::on(setup()).await;
    let (by_letters, by_number) = (field.listener().await, field.listener().await);
    let (letters, number) = (field.ticket(&by_letters, false).await, field.ticket(&by_number, true).await);
    let id = field.viewer_id(&by_letters).await;
    // Correct numbers do not count.
    for _ in 0..2 * IN_ALL {
        assert!(joins(&field, &by_number, &number).await);
        field.gone(&by_number).await;
    }
    assert_eq!(refused(&field, "repeater-ticket").await, 0);
    for n in 0..2 * IN_ALL {
        ended(field.shows(&wrong(n), &[262]).await).await;
    }
    assert_eq!(refused(&field, "repeater-ticket").await, IN_ALL);
    assert!(!joins(&field, &by_number, &number).await, "it could be a guess");
    assert!(joins(&field, &by_letters, &letters).await, "nobody guesses letters");
    // Viewer ids have a separate limit.
    assert_eq!(refused(&field, "viewer-number").await, 0);
    for n in 0..2 * IN_ALL {
        ended(field.views(&wrong(n)).await).await;
    }
    assert_eq!(refused(&field, "viewer-number").await, IN_ALL);
    ended(field.views(&id).await).await;
    for what in ["numeric tickets of repeater devices", "numbers of repeater viewers"] {
        let told = |line: &&str| line.contains("too many wrong guesses") && line.contains(what);
        assert_eq!(log.text().lines().filter(told).count(), 1, "{what}");
    }
}

#[tokio::test]
async fn a_number_that_the_database_could_not_look_up_does_not_count_as_a_guess() {
    // A write consumes a viewer id.
    let setup = setup();
    let disk = SmallDisk::mount(&setup.folder().join("data"), 4);
    let field = Field::on(setup).await;
    let own = field.listener().await;
    let mut device = field.shows(&field.ticket(&own, false).await, &[262]).await;
    field.waits(&own).await;
    let id = field.viewer_id(&own).await;
    disk.fill();
    for _ in 0..2 * IN_ALL {
        ended(field.views(&id).await).await;
    }
    disk.make_room();
    within("the database writes again", async {
        while field.server.api().get("/readyz").await.status != 200 {}
    })
    .await;
    assert_eq!(refused(&field, "viewer-number").await, 0);
    let mut viewer = field.views(&id).await;
    let mut version = [0; 12];
    within("the device", viewer.read_exact(&mut version)).await.unwrap();
    assert_eq!(&version, VERSION);
    drop(viewer);
    within("the device's end", device.read_to_end(&mut Vec::new())).await.unwrap();
}

#[tokio::test]
async fn a_ticket_that_the_database_could_not_look_up_does_not_count_as_a_guess() {
    let url = tokio::task::spawn_blocking(postgres::database).await.unwrap();
    let (login, place) = url.split_once('@').unwrap();
    let (address, name) = place.split_once('/').unwrap();
    let network = FaultProxy::start(address.parse().unwrap()).await;
    let url = format!("{login}@{}/{name}", network.address());
    let field = Field::on(setup().database(url)).await;
    let own = field.listener().await;
    let ticket = field.ticket(&own, true).await;
    network.stall();
    for _ in 0..2 * IN_ALL {
        let device = field.shows(&ticket, &[262]).await;
        // The server has read the ticket, and waits for the database.
        assert!(timeout(Duration::from_millis(100), device.readable()).await.is_err());
        clock::pass(Duration::from_secs(6)).await;
        ended(device).await;
    }
    network.heal();
    assert_eq!(refused(&field, "repeater-ticket").await, 0);
    within("the device is let in", async { while !joins(&field, &own, &ticket).await {} }).await;
}
