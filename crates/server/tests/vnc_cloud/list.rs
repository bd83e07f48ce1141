//! Listing and its pages.

use crate::stage::{Answer, Stage};

const CONNECT: &str = r#"{"allowedActions":["connect"]}"#;

impl Stage {
    async fn many(&self, count: usize) -> Vec<String> {
        let mut made = Vec::new();
        for _ in 0..count {
            made.push(self.address(CONNECT).await.0);
        }
        made
    }

    async fn page(&self, query: &str) -> Answer {
        self.ask("GET", &format!("1.1/static-address{query}")).send().await
    }
}

impl Answer {
    fn addresses(&self) -> Vec<String> {
        let value = self.value();
        assert_eq!(value.as_object().unwrap().len(), 1);
        value["cloudAddresses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one.as_str().unwrap().to_owned())
            .collect()
    }

    /// The query of the next page's link.
    fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        let url = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
        Some(url.strip_prefix("https://cloud.example/cloud/1.1/static-address")?.to_owned())
    }
}

#[tokio::test]
async fn l1_l3_l4_l5_l6_l10_l11_pages_follow_each_other_by_link() {
    let stage = Stage::start().await;
    let made = stage.many(20).await;
    let page = stage.page("").await;
    assert_eq!((page.status.as_u16(), page.addresses(), page.header("link")), (200, made.clone(), None));
    let all = [made, stage.many(5).await].concat();
    let page = stage.page("").await;
    assert_eq!(page.addresses(), all[..20]);
    let rest = stage.page(&page.next().unwrap()).await;
    assert_eq!((rest.addresses(), rest.next()), (all[20..].to_vec(), None));
    let (mut walked, mut query) = (Vec::new(), Some("?limit=7&x=y".to_owned()));
    while let Some(asked) = query {
        let page = stage.page(&asked).await;
        assert!(page.addresses().len() <= 7);
        walked.extend(page.addresses());
        query = page.next();
        assert!(query.as_ref().is_none_or(|query| query.contains("limit=7&")));
    }
    assert_eq!(walked, all);
    assert_eq!(stage.page("?limit=1").await.addresses(), all[..1]);
    assert_eq!(stage.page("?limit=99").await.addresses(), all);
    // Scope: another key of the project does not see it.
    let other = stage.another_key("member").await;
    assert_eq!(stage.ask_as(&other, "GET", "1.1/static-address").send().await.status, 204);
}

#[tokio::test]
async fn l2_l8_l9_l12_a_list_that_changes_neither_skips_nor_repeats() {
    let stage = Stage::start().await;
    assert_eq!(stage.page("").await.outcome(), (204, None));
    let made = stage.many(6).await;
    let page = stage.page("?limit=2").await;
    let next = page.next().unwrap();
    // The anchor itself, an address already listed and one yet to be listed are removed; one is
    // added.
    for gone in [&made[1], &made[0], &made[3]] {
        let path = format!("1.1/static-address/{gone}");
        assert_eq!(stage.ask("DELETE", &path).send().await.status, 204);
    }
    let added = stage.many(1).await.remove(0);
    let second = stage.page(&next).await;
    assert_eq!(second.addresses(), [made[2].clone(), made[4].clone()]);
    let third = stage.page(&second.next().unwrap()).await;
    assert_eq!((third.addresses(), third.next()), (vec![made[5].clone(), added.clone()], None));
    for gone in [&made[2], &made[4], &made[5], &added] {
        stage.ask("DELETE", &format!("1.1/static-address/{gone}")).send().await;
    }
    assert_eq!(stage.page(&next).await.outcome(), (204, None));
}

#[tokio::test]
async fn l7_l13_l14_a_bad_limit_or_cursor_is_400_without_code_and_a_bad_accept_1002() {
    let stage = Stage::start().await;
    stage.many(3).await;
    let next = stage.page("?limit=1").await.next().unwrap();
    let cursor = next.split_once("cursor=").unwrap().1.to_owned();
    let mut tampered = cursor.clone().into_bytes();
    tampered[9] = if tampered[9] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    for query in [
        "?limit=0",
        "?limit=100",
        "?limit=-1",
        "?limit=abc",
        "?limit=",
        "?limit=1&limit=1",
        "?limit=%2B5",
        "?limit=1.0",
        "?limit=1&cursor=",
        "?limit=1&cursor=nonsense",
        &format!("?limit=1&cursor={tampered}"),
        &format!("?limit=2&cursor={cursor}"),
        &format!("?cursor={cursor}"),
        &format!("?limit=1&cursor={cursor}&cursor={cursor}"),
    ] {
        assert_eq!(stage.page(query).await.outcome(), (400, None), "{query}");
    }
    let other = stage.another_key("member").await;
    let answer = stage.ask_as(&other, "GET", &format!("1.1/static-address{next}")).send().await;
    assert_eq!(answer.outcome(), (400, None), "a cursor is its key's");
    let ask = || stage.ask("GET", "1.1/static-address?limit=0");
    assert_eq!(ask().header("accept", "text/html").send().await.outcome(), (400, Some(1002)));
    let ask = stage.ask("GET", "1.1/static-address").header("content-type", "text/plain");
    assert_eq!(ask.send().await.status, 200);
}
