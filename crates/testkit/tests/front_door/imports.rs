//! Imports of many instances in one call.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_testkit::wait::within;
use transom_testkit::{Answer, Api, Script, TestServer, api, postgres};

use crate::stage::{Stage, assert_live};

const PATH: &str = "/api/v1/projects/alpha/import";

/// A server on each database.
async fn servers() -> [TestServer; 2] {
    let shared = TestServer::setup().database(postgres::database());
    [TestServer::start().await, shared.start().await]
}

fn rows(count: usize) -> Vec<Value> {
    let row = |number| {
        json!({
            "id": format!("vm-{number:05}"),
            "endpoint": format!("vnc://192.0.2.1:{}", 5900 + number),
            "name": format!("Machine {number}"),
            "status": "running",
            "username": "console",
            "password": format!("pw{number}"),
        })
    };
    (1..=count).map(row).collect()
}

async fn import(api: &Api, body: Value) -> Value {
    api.post(PATH, body).await.done()
}

fn counts(answer: &Value) -> [u64; 4] {
    ["added", "changed", "unchanged", "removed"].map(|effect| answer["counts"][effect].as_u64().unwrap())
}

async fn shown(api: &Api, id: &str) -> Value {
    api.get(&format!("/api/v1/projects/alpha/instances/{id}")).await.done()
}

/// The actions and targets of the newest records about instances.
async fn records(api: &Api) -> Vec<String> {
    let records = api.get("/api/v1/audit?limit=1000").await.done();
    let records = records["items"].as_array().unwrap().iter();
    let told =
        records.map(|record| format!("{} {}", api::text(record, "action"), api::text(record, "target")));
    told.filter(|told| told.starts_with("instance.")).collect()
}

/// The rows that a refused import names.
fn wrong(answer: &Answer) -> Vec<String> {
    let rows = answer.json()["error"]["rows"].as_array().unwrap().clone();
    let told = rows.iter().map(|row| {
        let member = row["member"].as_str().map(|member| format!("{member}: ")).unwrap_or_default();
        format!("{} {member}{}", row["row"], api::text(row, "message"))
    });
    told.collect()
}

#[tokio::test]
async fn a_repeated_import_writes_nothing_and_a_changed_one_only_what_differs() {
    for server in servers().await {
        let api = server.api();
        let mut list = rows(300);
        let first = import(api, json!({ "instances": list })).await;
        assert_eq!(counts(&first), [300, 0, 0, 0]);
        let (before, written) = (shown(api, "vm-00007").await, records(api).await);
        assert_eq!((&before["name"], &before["security"]["password"]), (&json!("Machine 7"), &json!(true)));
        assert_eq!(before["import_name"], Value::Null);

        let again = import(api, json!({ "instances": list })).await;
        assert_eq!((counts(&again), &again["unchanged"][6]), ([0, 0, 300, 0], &json!("vm-00007")));
        assert_eq!(shown(api, "vm-00007").await, before, "updated_at stays too");
        assert_eq!(records(api).await, written);

        list[6]["password"] = json!("other");
        list[7]["endpoint"] = json!("vnc://192.0.2.8:5901");
        list[8]["name"] = json!("Nine");
        list[9] = json!({ "id": "vm-00010", "endpoint": list[9]["endpoint"] });
        let planned = import(api, json!({ "instances": list, "dry_run": true })).await;
        assert_eq!((counts(&planned), &planned["dry_run"]), ([0, 3, 297, 0], &json!(true)));
        assert_eq!((shown(api, "vm-00007").await, records(api).await), (before.clone(), written.clone()));
        let changed = import(api, json!({ "instances": list })).await;
        assert_eq!(
            changed["details"],
            json!({
                "vm-00007": "password",
                "vm-00008": "endpoint vnc://192.0.2.1:5908 to vnc://192.0.2.8:5901",
                "vm-00009": "name",
            })
        );
        assert_eq!(changed["changed"], planned["changed"]);
        assert_ne!(shown(api, "vm-00007").await["updated_at"], before["updated_at"]);
        assert_eq!(shown(api, "vm-00010").await["name"], "Machine 10", "absent members stay");
        assert_eq!(
            records(api).await[written.len()..],
            ["instance.change vm-00007", "instance.change vm-00008", "instance.change vm-00009"]
        );
        let record = &api.get("/api/v1/audit?limit=1").await.done()["items"][0];
        assert_eq!((&record["detail"], &record["actor"]), (&json!("name"), &json!("operator")));
    }
}

#[tokio::test]
async fn one_wrong_row_of_three_hundred_changes_nothing_and_all_wrong_rows_are_named() {
    for server in servers().await {
        let api = server.api();
        import(api, json!({ "instances": [rows(1)[0]] })).await;
        let (before, written) = (shown(api, "vm-00001").await, records(api).await);
        let mut list = rows(300);
        list[0]["name"] = json!("Changed");
        list[299]["endpoint"] = json!("telnet://192.0.2.1");
        let refused = api.post(PATH, json!({ "instances": list })).await;
        let nothing = "so nothing was changed";
        assert_eq!(
            refused.to_string(),
            format!("400 invalid: 1 of 300 instances cannot be imported, {nothing}")
        );
        let endpoint = "an endpoint is vnc://host:port, ws://host:port/path, wss://host:port/path, vnc+unix:/path or cloud:ADDRESS";
        assert_eq!(wrong(&refused), [format!("300 endpoint: {endpoint}")]);

        list[1] = json!({ "endpoint": "vnc://192.0.2.1" });
        list[2]["id"] = json!("vm-00001");
        list[3]["colour"] = json!("red");
        list[4]["password"] = json!(4711);
        list[5] = json!(["vm-00006"]);
        list[6]["certificate"] = json!("no certificate");
        list[7]["name"] = json!("");
        let refused = api.post(PATH, json!({ "instances": list })).await;
        assert_eq!(
            refused.to_string(),
            format!("400 invalid: 8 of 300 instances cannot be imported, {nothing}")
        );
        let told = wrong(&refused);
        assert_eq!(told[..2], ["2 id: is missing".to_owned(), "3 id: is the id of row 1 too".to_owned()]);
        assert!(told[2].starts_with("4 colour: unknown field `colour`, expected one of"), "{told:?}");
        assert_eq!(
            told[3..],
            [
                "5 password: must be a string, not a number".to_owned(),
                "6 must be a JSON object, not an array".to_owned(),
                "7 certificate: must hold PEM certificates (-----BEGIN CERTIFICATE-----)".to_owned(),
                "8 name: must be 1 to 128 characters".to_owned(),
                format!("300 endpoint: {endpoint}"),
            ]
        );
        let planned = api.post(PATH, json!({ "instances": list, "dry_run": true })).await;
        assert_eq!(wrong(&planned), told, "a dry run tells the same");
        assert_eq!((shown(api, "vm-00001").await, records(api).await), (before, written));

        let all = (0..150).map(|number| json!({ "id": number })).collect::<Vec<_>>();
        let refused = api.post(PATH, json!({ "instances": all })).await;
        assert!(refused.to_string().contains("150 of 150 instances"), "{refused}");
        assert_eq!(wrong(&refused).len(), 100);
    }
}

#[tokio::test]
async fn a_prune_removes_only_what_imports_of_its_name_added() {
    for server in servers().await {
        let api = server.api();
        let list = rows(4);
        import(api, json!({ "instances": [list[0]] })).await;
        import(api, json!({ "instances": [list[1]], "name": "other" })).await;
        // The first two keep their marks, although the import of this name lists them.
        let mine = import(api, json!({ "instances": list, "name": "rack" })).await;
        assert_eq!(counts(&mine), [2, 0, 2, 0]);
        let marks = async |ids: &[&str]| {
            let mut marks = Vec::new();
            for id in ids {
                marks.push(shown(api, id).await["import_name"].clone());
            }
            json!(marks)
        };
        assert_eq!(
            marks(&["vm-00001", "vm-00002", "vm-00003", "vm-00004"]).await,
            json!([null, "other", "rack", "rack"])
        );
        let body = json!({ "instances": [list[3]], "name": "rack", "prune": true });
        let mut planned = body.clone();
        planned["dry_run"] = json!(true);
        let planned = import(api, planned).await;
        assert_eq!((&planned["removed"], counts(&planned)), (&json!(["vm-00003"]), [0, 0, 1, 1]));
        assert_eq!(shown(api, "vm-00003").await["id"], "vm-00003");
        let pruned = import(api, body).await;
        assert_eq!((&pruned["removed"], counts(&pruned)), (&json!(["vm-00003"]), [0, 0, 1, 1]));
        assert_eq!(records(api).await.last().unwrap(), "instance.remove vm-00003");
        let left = api.get("/api/v1/projects/alpha/instances").await.done();
        let left: Vec<_> =
            left["items"].as_array().unwrap().iter().map(|left| api::text(left, "id")).collect();
        assert_eq!(left, ["vm-00001", "vm-00002", "vm-00004"]);
        let unnamed = api.post(PATH, json!({ "instances": [], "prune": true })).await;
        assert_eq!(
            unnamed.to_string(),
            "400 invalid: prune: requires name, because it removes only what imports of that name added"
        );
    }
}

#[tokio::test]
async fn an_import_ends_the_sessions_whose_endpoint_it_changes_or_whose_instance_it_removes() {
    let server = TestServer::start().await;
    let api = server.api();
    let machine = transom_testkit::Instance::start(Script::default()).await;
    let row = |id: &str, endpoint: &str| json!({ "id": id, "endpoint": endpoint });
    let here = machine.endpoint();
    let both = json!([row("moves", here), row("goes", here), row("stays", here)]);
    import(api, json!({ "instances": both, "name": "rack" })).await;
    let (mut viewers, mut guests) = (Vec::new(), Vec::new());
    for id in ["moves", "goes", "stays"] {
        let token = server.console(id).await.token;
        let mut viewer = server.viewer().token(&token).view().await;
        let mut guest = machine.guest().await;
        assert_live(&mut viewer, &mut guest).await;
        guests.push(guest);
        viewers.push(viewer);
    }
    let list = json!([row("moves", "vnc://192.0.2.1"), row("stays", here)]);
    import(api, json!({ "instances": list, "name": "rack", "prune": true })).await;
    let mut stays = viewers.pop().unwrap();
    let mut ends = Vec::new();
    for mut viewer in viewers {
        ends.push(viewer.closed().await.to_string());
    }
    assert_eq!(
        ends,
        [
            "4419 This console now leads to a different machine.",
            "4411 The machine of this console was removed."
        ]
    );
    assert_live(&mut stays, &mut guests[2]).await;
}

#[tokio::test]
async fn five_thousand_instances_are_one_call() {
    for server in servers().await {
        let api = server.api();
        let list = rows(5_000);
        let first = import(api, json!({ "instances": list, "name": "rack" })).await;
        assert_eq!(counts(&first), [5_000, 0, 0, 0]);
        assert_eq!(
            counts(&import(api, json!({ "instances": list, "name": "rack" })).await),
            [0, 0, 5_000, 0]
        );
    }
}

#[tokio::test]
async fn an_import_has_limits_and_needs_an_administrator() {
    let stage = Stage::set().await;
    let api = stage.server.api();
    let keyed = async |role: &str| api.with_key(&api.add_key("alpha", role).await);
    let body = json!({ "instances": [] });
    let member = keyed("member").await.post(PATH, body.clone()).await;
    assert_eq!(member.to_string(), "403 forbidden: this needs the role admin");
    let nowhere = api.post("/api/v1/projects/beta/import", body.clone()).await;
    assert_eq!(nowhere.to_string(), "404 not-found: project not found");
    assert_eq!(counts(&import(&keyed("admin").await, body).await), [0; 4]);

    let many = vec![json!({ "id": "a", "endpoint": "vnc://192.0.2.1" }); 10_001];
    let many = api.post(PATH, json!({ "instances": many })).await;
    assert_eq!(many.to_string(), "400 invalid: instances: must be at most 10000 instances");
    let large = "x".repeat(8 * 1024 * 1024);
    let large = api.post(PATH, json!({ "instances": [], "name": large })).await;
    assert_eq!(large.to_string(), "413 too-large: the body is too large");
    // Other operations keep their limit.
    let path = stage.server.instance_path(&stage.id);
    let large = api.patch(&path, json!({ "name": "x".repeat(300 * 1024) })).await;
    assert_eq!(large.to_string(), "413 too-large: the body is too large");
}

#[tokio::test]
async fn a_project_has_one_import_at_a_time() {
    let server = TestServer::start().await;
    let api = server.api();
    api.add_project("beta").await;
    let body = json!({ "instances": rows(1) }).to_string();
    let token = &server.server().admin().token;
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let (begin, end) = body.split_at(body.len() - 1);
    let mut slow = server.viewer().bare().await;
    slow.write_all(format!("{head}{begin}").as_bytes()).await.unwrap();
    let empty = json!({ "instances": [] });
    let refused = within("the slow import's turn", async {
        loop {
            let answer = api.post(PATH, empty.clone()).await;
            if answer.status != 200 {
                return answer.to_string();
            }
        }
    });
    assert_eq!(refused.await, "409 conflict: another import into this project is running");
    api.post("/api/v1/projects/beta/import", empty.clone()).await.done();
    slow.write_all(end.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    within("the answer", slow.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    import(api, empty).await;
}

#[tokio::test]
async fn a_keys_dry_run_tells_nothing_about_a_password() {
    let server = TestServer::setup()
        .config(|config| config.endpoints = api::config("[endpoints]\nallow = [\"192.0.2.0/24\"]").endpoints)
        .start()
        .await;
    let api = server.api();
    let admin = api.with_key(&api.add_key("alpha", "admin").await);
    let list = rows(1);
    import(api, json!({ "instances": list })).await;
    let with = |password: &str| {
        let mut row = list[0].clone();
        row["password"] = json!(password);
        json!([row])
    };
    for guess in ["pw1", "wrong"] {
        let planned = import(&admin, json!({ "instances": with(guess), "dry_run": true })).await;
        assert_eq!(planned["details"], json!({ "vm-00001": "password" }), "{guess}");
        let planned = import(api, json!({ "instances": with(guess), "dry_run": true })).await;
        assert_eq!(counts(&planned)[1], u64::from(guess == "wrong"), "the operator's: {guess}");
    }
    // A key's new endpoint takes along only the password that the row names.
    let mut moved = list[0].clone();
    moved["endpoint"] = json!("vnc://192.0.2.77");
    import(&admin, json!({ "instances": [moved] })).await;
    assert_eq!(shown(api, "vm-00001").await["security"]["password"], true);
    assert_eq!(counts(&import(&admin, json!({ "instances": [moved] })).await), [0, 0, 1, 0]);
    moved["endpoint"] = json!("vnc://192.0.2.78");
    moved.as_object_mut().unwrap().remove("password");
    import(&admin, json!({ "instances": [moved] })).await;
    assert_eq!(shown(api, "vm-00001").await["security"]["password"], false);
    // The operator's import makes the endpoint the operator's, once.
    let adopted = import(api, json!({ "instances": [moved] })).await;
    assert_eq!(adopted["details"]["vm-00001"], "endpoint vnc://192.0.2.78:5900 to vnc://192.0.2.78:5900");
    assert_eq!(counts(&import(api, json!({ "instances": [moved] })).await), [0, 0, 1, 0]);
}
