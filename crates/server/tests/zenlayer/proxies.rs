//! Behind a reverse proxy that terminates TLS, configured as the operations manual says: signatures
//! are still valid, failures have the same form, and consoles open.

use serde_json::json;
use transom_config::Config;
use transom_testkit::proxy::{Kind, Port, Proxy};

use crate::house::{House, Key, Plan, RUNNING};
use crate::sdk::{call, desktop, sdk, vnc_url};
use crate::viewer;

/// Returns a server that knows its public URL, and the proxy in front of it.
async fn behind(kind: Kind) -> (House, Proxy, String) {
    let port = Port::hold();
    let url = port.url();
    let config = format!("[http]\npublic_url = \"{url}\"\ntrusted_proxies = [\"127.0.0.1/32\"]");
    let house = House::start_with(Plan { config: Config::parse(&config).unwrap(), ..Plan::default() }).await;
    let server = house.address();
    let proxy = tokio::task::spawn_blocking(move || Proxy::start(kind, port, server)).await.unwrap();
    (house, proxy, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_works_behind_every_proxy_of_the_manual() {
    for kind in Kind::ALL {
        let (house, proxy, url) = behind(kind).await;
        let config = json!({ "domain": url.strip_prefix("https://").unwrap(), "certification": proxy.ca() });
        let member = &house.member;
        let wrong = Key { secret: "wrong".to_owned(), ..member.clone() };
        let long = json!({ "name": "x".repeat(2_000_000) });
        let calls = [
            vnc_url(member, RUNNING),
            vnc_url(member, "nowhere"),
            vnc_url(&wrong, RUNNING),
            call(member, "zec", "2025-09-01", "DescribeInstances", long),
        ];
        let answers = sdk(config, &calls).await;
        let given =
            answers[0]["result"]["url"].as_str().unwrap_or_else(|| panic!("{kind:?}: {}", answers[0]));
        assert!(given.starts_with(&format!("{url}/console?token=")), "{given}");
        assert_eq!(viewer::open(given, Some(proxy.ca())).await, Ok(desktop()), "{kind:?}");
        assert_eq!(viewer::open(&format!("{given}x"), Some(proxy.ca())).await, Err(401), "{kind:?}");
        for (answer, (status, code)) in answers[1..].iter().zip([
            (404, "INVALID_INSTANCE_NOT_FOUND"),
            (401, "AUTHFAILURE_SIGNATURE_FAILURE"),
            (400, "INVALID_PARAMETER_EXCEED_LENGTH"),
        ]) {
            assert_eq!(
                (&answer["status"], &answer["error"]["code"]),
                (&status.into(), &code.into()),
                "{kind:?}"
            );
        }
    }
}
