//! Concurrent changes with conditions, on both databases.

use futures_util::future::join_all;

use crate::stage::Stage;

/// The number of connections in the larger database's pool.
const CONNECTIONS: usize = 16;

impl Stage {
    /// Opens the database's connections one after the other. On a busy machine, many at once would
    /// be refused with 503.
    async fn warm(&self) {
        for count in 1..=CONNECTIONS {
            join_all((0..count).map(|_| self.ask("GET", "1.1/static-address").send())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_p7_x6_of_many_with_one_tag_one_wins() {
    for stage in Stage::both().await {
        stage.warm().await;
        for round in 0..4 {
            let (address, _) = stage.address(r#"{"allowedActions":["connect"]}"#).await;
            let path = format!("1.1/static-address/{address}");
            let body = format!(r#"{{"cloudAddress":"{address}","allowedActions":["connect"]}}"#);
            let racing = (0..12).map(|n| {
                let method = ["PUT", "POST"][(n + round) % 2];
                stage.ask(method, &path).header("if-match", "\"1\"").json(&body).send()
            });
            let mut outcomes: Vec<_> = join_all(racing).await.iter().map(|a| a.status.as_u16()).collect();
            outcomes.sort_unstable();
            assert_eq!(outcomes, [vec![200], vec![412; 11]].concat());
            assert_eq!(stage.get(&address).await.header("etag"), Some("\"2\""));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x5_c1_of_many_who_delete_one_does_and_of_many_who_create_all_do() {
    for stage in Stage::both().await {
        stage.warm().await;
        let made = join_all((0..24).map(|_| stage.create(r#"{"allowedActions":["listen"]}"#))).await;
        assert!(made.iter().all(|answer| answer.status == 201));
        let listed = stage.ask("GET", "1.1/static-address?limit=99").send().await.value();
        assert_eq!(listed["cloudAddresses"].as_array().unwrap().len(), 24);
        let path = format!("1.1/static-address/{}", made[0].value()["cloudAddress"].as_str().unwrap());
        let racing = join_all((0..8).map(|_| stage.ask("DELETE", &path).send())).await;
        let mut outcomes: Vec<_> = racing.iter().map(|answer| answer.status.as_u16()).collect();
        outcomes.sort_unstable();
        assert_eq!(outcomes, [vec![204], vec![404; 7]].concat());
    }
}
