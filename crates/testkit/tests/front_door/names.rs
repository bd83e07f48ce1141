//! Display names: a name that could pass for another one is refused, at creation and at change.

use serde_json::json;
use transom_testkit::{Instance, Script, TestServer};

const REFUSED: [&str; 11] = [
    "web\u{202e}gpj.exe",
    "\u{202a}web",
    "web\u{202b}",
    "web\u{202d}1",
    "\u{2066}web\u{2069}",
    "a\u{2067}b",
    "a\u{2068}b",
    "web\u{200e}",
    "\u{200f}web",
    "a\u{61c}b",
    "we\u{200b}b",
];
const TAKEN: [&str; 6] =
    ["שרת ראשי", "خادم الويب", "主服务器", "Büro – Drucker № 5", "kiosk 🖥", "👩\u{200d}💻"];

#[tokio::test]
async fn deceptive_names_are_refused_and_names_in_any_script_are_accepted() {
    let server = TestServer::start().await;
    let api = server.api();
    let machine = Instance::start(Script::default()).await;
    let path = server.instance_path(&server.add(&machine).await);
    let instances = "/api/v1/projects/alpha/instances";
    for name in REFUSED {
        let made = [
            api.post(instances, json!({ "endpoint": machine.endpoint(), "name": name })).await,
            api.patch(&path, json!({ "name": name })).await,
            api.post("/api/v1/projects", json!({ "name": name })).await,
            api.post("/api/v1/keys", json!({ "project": "alpha", "name": name })).await,
        ];
        for refused in made {
            let why = "400 invalid: name: must not contain control, direction or invisible characters";
            assert_eq!(refused.to_string(), why, "{name:?}");
        }
    }
    for name in TAKEN {
        let endpoint = machine.endpoint();
        assert_eq!(api.post(instances, json!({ "endpoint": endpoint, "name": name })).await.status, 201);
        assert_eq!(api.patch(&path, json!({ "name": name })).await.done()["name"], name);
        assert_eq!(api.post("/api/v1/projects", json!({ "name": name })).await.status, 201, "{name}");
        let key = json!({ "project": "alpha", "name": name });
        assert_eq!(api.post("/api/v1/keys", key).await.status, 201);
    }
}
