//! Random combinations of faults: the first in the order of checks is reported, and no state
//! changes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use crate::stage::{Key, NOBODY, Stage};

/// The number of random requests; each takes about a millisecond.
const DRAWN: u32 = 1500;

/// The faults of a request. Faults that the drawn method cannot have are left out.
#[derive(Clone, Debug)]
struct Faults {
    method: &'static str,
    /// Tells whether the address listens, so that its lists stand in another member.
    listens: bool,
    path: Option<Path>,
    query: bool,
    too_large: bool,
    empty_access: bool,
    credentials: Option<Credentials>,
    content_type: bool,
    accept: bool,
    address: Option<Address>,
    condition: bool,
    shape: bool,
    action: bool,
    too_many: bool,
    empty_list: bool,
    group_name: bool,
    misplaced: bool,
    conflict: bool,
}

#[derive(Clone, Copy, Debug)]
enum Path {
    Unknown,
    Method,
}

#[derive(Clone, Copy, Debug)]
enum Credentials {
    Missing,
    Malformed,
    Wrong,
    /// A reader's credentials, on a call that changes data.
    Reader,
}

#[derive(Clone, Copy, Debug)]
enum Address {
    Malformed,
    Unknown,
}

fn faults() -> impl Strategy<Value = Faults> {
    use Credentials::{Malformed, Missing, Reader, Wrong};
    let seldom = || prop::bool::weighted(0.2);
    let method = prop::sample::select(vec!["PUT", "POST", "DELETE", "GET", "create", "ready", "list"]);
    let credentials =
        prop::option::weighted(0.1, prop::sample::select(vec![Missing, Malformed, Wrong, Reader]));
    let address =
        prop::option::weighted(0.2, prop::sample::select(vec![Address::Malformed, Address::Unknown]));
    let path = prop::option::weighted(0.05, prop::sample::select(vec![Path::Unknown, Path::Method]));
    let head = (method, credentials, seldom(), seldom(), address, seldom(), path, seldom());
    let body = (seldom(), seldom(), seldom(), seldom(), seldom(), seldom(), seldom());
    let more = (prop::bool::ANY, prop::bool::weighted(0.05), seldom());
    (head, body, more).prop_map(|(head, body, more)| {
        let (method, credentials, content_type, accept, address, condition, path, query) = head;
        let (shape, action, too_many, empty_list, group_name, misplaced, conflict) = body;
        let (listens, too_large, empty_access) = more;
        Faults {
            method,
            listens,
            path,
            query,
            too_large,
            // With other lists in it, the access control is not empty.
            empty_access: empty_access && listens && !(too_many || empty_list || group_name),
            credentials,
            content_type,
            accept,
            address,
            condition,
            shape,
            action,
            too_many,
            empty_list,
            group_name,
            misplaced,
            conflict,
        }
    })
}

impl Faults {
    /// Returns the first fault in the endpoint's order; `None` if there is no fault.
    fn expected(&self) -> Option<(u16, Option<u64>)> {
        let (put, create) = (self.method == "PUT", self.method == "create");
        let (body, negotiates) = (put || create, self.method != "PUT" && self.method != "DELETE");
        let guarded = matches!(self.method, "PUT" | "POST" | "DELETE");
        let list = self.method == "list";
        let one = !create && !list;
        let in_order = [
            (matches!(self.path, Some(Path::Unknown)), 404, 0),
            (matches!(self.path, Some(Path::Method)), 405, 0),
            (matches!(self.credentials, Some(Credentials::Missing)), 401, 0),
            (matches!(self.credentials, Some(Credentials::Malformed)), 403, 0),
            (matches!(self.credentials, Some(Credentials::Wrong)), 401, 0),
            ((guarded || create) && matches!(self.credentials, Some(Credentials::Reader)), 401, 0),
            (body && self.content_type, 400, 1001),
            (negotiates && self.accept, 400, 1002),
            (one && matches!(self.address, Some(Address::Malformed)), 400, 1007),
            (list && self.query, 400, 0),
            // A reader has a key of its own, without addresses.
            (one && matches!(self.address, Some(Address::Unknown)), 404, 0),
            (one && matches!(self.credentials, Some(Credentials::Reader)), 404, 0),
            (guarded && self.condition, 412, 0),
            (body && self.too_large, 413, 0),
            (body && self.shape, 400, 0),
            (body && self.action, 400, 1003),
            (body && self.too_many, 400, 1004),
            (body && self.empty_list, 400, 1005),
            (body && self.group_name, 400, 1006),
            (body && self.empty_access && !self.action, 400, 1008),
            (body && self.misplaced, 400, 1009),
            (put && self.conflict, 409, 0),
        ];
        let first = in_order.into_iter().find(|(applies, ..)| *applies)?;
        Some((first.1, Some(first.2).filter(|code| *code != 0)))
    }

    fn body(&self, address: &str) -> String {
        let mut body =
            serde_json::json!({"allowedActions": [if self.listens { "listen" } else { "connect" }]});
        if self.method != "create" {
            body["cloudAddress"] = if self.conflict { NOBODY } else { address }.into();
        }
        let names = |count: usize| (0..count).map(|n| format!("g{n}")).collect::<Vec<_>>();
        let most = if self.listens { 24 } else { 16 };
        let mut groups = names(if self.too_many { most + 1 } else { 2 });
        if self.group_name {
            groups[0].clear();
        }
        // The empty list is not the groups, which carry other faults.
        match (self.listens, self.empty_list) {
            (true, _) if self.empty_access => body["accessControl"] = serde_json::json!({}),
            (true, false) => body["accessControl"] = serde_json::json!({ "groups": groups }),
            (true, true) => {
                body["accessControl"] = serde_json::json!({ "groups": groups, "cloudAddresses": [] });
            }
            (false, empty) => {
                body["groups"] = groups.into();
                if empty {
                    body["accessControl"] = serde_json::json!({ "cloudAddresses": [] });
                } else if self.misplaced {
                    body["accessControl"] = serde_json::json!({ "groups": ["a"] });
                }
            }
        }
        if self.listens && self.misplaced {
            body["groups"] = serde_json::json!(["a"]);
        }
        if self.action {
            body["allowedActions"] = serde_json::json!(["view"]);
        }
        if self.shape {
            body["unheard-of"] = true.into();
        }
        if self.too_large {
            body["padding"] = "x".repeat(256 * 1024).into();
        }
        body.to_string()
    }

    async fn send(&self, stage: &Stage, reader: &Key, address: &str) -> (u16, Option<u64>) {
        let named = match self.address {
            None => address,
            Some(Address::Malformed) => "mal-formed",
            Some(Address::Unknown) => NOBODY,
        };
        let (method, path) = match self.method {
            "create" => ("POST", "1.1/static-address".to_owned()),
            "ready" => ("GET", format!("1.1/static-address/{named}/ready")),
            "list" => ("GET", format!("1.1/static-address{}", if self.query { "?limit=0" } else { "" })),
            method => (method, format!("1.1/static-address/{named}")),
        };
        let (method, path) = match self.path {
            None => (method, path),
            Some(Path::Unknown) => (method, path.replace("1.1/", "9.9/")),
            Some(Path::Method) => ("PATCH", path),
        };
        let key = &stage.key;
        let pair = match self.credentials {
            Some(Credentials::Reader) => format!("{}:{}", reader.id, reader.secret),
            None => format!("{}:{}", key.id, key.secret),
            Some(Credentials::Missing) => String::new(),
            Some(Credentials::Malformed) => format!("{}x:{}", key.id, key.secret),
            Some(Credentials::Wrong) => format!("{}:{}x", key.id, key.secret),
        };
        let mut ask = stage.ask_as_nobody(method, &path).body(&self.body(address));
        if !pair.is_empty() {
            ask = ask.header("authorization", &format!("Basic {}", STANDARD.encode(pair)));
        }
        ask = ask.header("content-type", if self.content_type { "text/plain" } else { "application/json" });
        if self.accept {
            ask = ask.header("accept", "text/html");
        }
        if self.condition {
            ask = ask.header("if-match", "\"0\"");
        }
        ask.send().await.outcome()
    }
}

/// §2, the order of answers: G5, G13, C22, C23, R5, R6, D10, D11, U11 to U16, P5 to P7, X3 to X6.
#[tokio::test]
async fn of_many_faults_the_first_wins_and_nothing_changes() {
    let stage = Stage::start().await;
    let (address, _) = stage.address(r#"{"allowedActions":["connect"],"groups":["as it was"]}"#).await;
    let reader = stage.another_key("reader").await;
    let before = (stage.get(&address).await.body, Some("\"1\"".to_owned()));
    let strategy = faults();
    let mut runner =
        TestRunner::new(Config { rng_seed: proptest::test_runner::RngSeed::Fixed(4), ..Config::default() });
    let mut checked = 0;
    for _ in 0..DRAWN {
        let drawn = strategy.new_tree(&mut runner).unwrap().current();
        // An access control list at a connect address is misplaced even if it is empty. The lower
        // code is reported.
        let misplaced = drawn.misplaced || (drawn.empty_list && !drawn.listens);
        let drawn = Faults { misplaced, ..drawn };
        // Without a known action no limit applies and no list is misplaced, but 1003 is still
        // reported.
        let Some(expected) = drawn.expected() else { continue };
        assert_eq!(drawn.send(&stage, &reader, &address).await, expected, "{drawn:?}");
        checked += 1;
    }
    assert!(checked > DRAWN / 2, "{checked}");
    let after = stage.get(&address).await;
    assert_eq!((after.body.clone(), after.header("etag").map(str::to_owned)), before);
    let listed = stage.ask("GET", "1.1/static-address").send().await.value();
    assert_eq!(listed, serde_json::json!({"cloudAddresses": [address]}));
}
