//! A repeated signature: accepted as often as the vendor accepts it, or once.

use transom_config::Config;

use crate::house::{House, Plan, RUNNING};
use crate::wire::{INSTANCES, VNC_URL, Wire};

fn asking(house: &House) -> Wire {
    Wire::new(house, VNC_URL, format!("{{\"instanceId\":\"{RUNNING}\"}}")).signed(&house.member)
}

async fn strict(database: Option<String>) -> House {
    let mut config = Config::default();
    config.zenlayer.reject_replays = true;
    House::start_with(Plan { config, database, ..Plan::default() }).await
}

#[tokio::test]
async fn a_signature_comes_as_often_as_it_wants_within_its_time() {
    let house = House::start().await;
    let asked = asking(&house);
    for _ in 0..3 {
        assert_eq!(asked.send(&house).await.status, 200);
    }
}

#[tokio::test]
async fn a_signature_is_taken_once_where_replays_are_rejected() {
    let postgres = tokio::task::spawn_blocking(transom_testkit::postgres::database).await.unwrap();
    for database in [None, Some(postgres)] {
        let house = strict(database).await;
        let asked = asking(&house);
        assert_eq!(asked.send(&house).await.status, 200);
        asked.fails(&house, 401, "AUTHFAILURE_SIGNATURE_EXPIRED").await;
        // Path, version, action and the case of the digits are not signed.
        let other = Wire::new(&house, INSTANCES, asked.body.clone());
        let authorization = asked.value("authorization").to_owned();
        let (claims, signature) = authorization.rsplit_once("Signature=").unwrap();
        let capitals = format!("{claims}Signature={}", signature.to_uppercase());
        let other =
            other.with("X-ZC-Timestamp", asked.value("x-zc-timestamp")).with("Authorization", capitals);
        other.fails(&house, 401, "AUTHFAILURE_SIGNATURE_EXPIRED").await;
        // A wrong signature is not recorded.
        let wrong = asked.clone().set("Content-Type", "text/plain");
        wrong.fails(&house, 401, "AUTHFAILURE_SIGNATURE_FAILURE").await;
        let later =
            Wire::new(&house, VNC_URL, asked.body.clone()).signed_at(&house.member, crate::wire::now() + 5);
        assert_eq!(later.send(&house).await.status, 200);
    }
}

#[tokio::test]
async fn of_many_that_come_at_once_with_one_signature_one_is_answered() {
    let house = strict(None).await;
    let asked = asking(&house);
    let asks = (0..16).map(|_| asked.send(&house));
    let answers = futures_util::future::join_all(asks).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 15);
}
