//! Tests of endpoints: `POST …/instances/{id}/test`.

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinSet, yield_now};
use transom_testkit::certificate::Authority;
use transom_testkit::wait::within;
use transom_testkit::{Instance, Script, Step, TestServer};

async fn tested(server: &TestServer, instance: &str) -> Value {
    server.api().post(&format!("{}/test", server.instance_path(instance)), json!({})).await.done()
}

/// The names of the steps, with a mark after one that failed.
fn steps(tested: &Value) -> String {
    let steps = tested["steps"].as_array().expect("steps").iter();
    let named = steps.map(|step| {
        assert!(step["ms"].as_f64().expect("a duration") >= 0.0, "{step}");
        let mark = if step["ok"] == true { "" } else { "!" };
        format!("{}{mark}", step["name"].as_str().expect("a name"))
    });
    named.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_test_shows_each_step_up_to_the_screen_and_logs_in_once() {
    let server = TestServer::start().await;
    let script = Script::default().password("correct").screen(1024, 768).name("till\x1b[1m 3");
    let machine = Instance::start(script).await;
    let id = server.add_with(&machine, json!({ "password": "correct" })).await;
    let result = tested(&server, &id).await;
    assert_eq!(steps(&result), "resolve connect version security authentication screen");
    assert_eq!(result["screen"], json!({ "width": 1024, "height": 768, "name": "till [1m 3" }));
    assert_eq!((&result["result"], &result["reason"]), (&json!("opens"), &Value::Null), "{result}");
    machine.guest().await.ended().await;
    assert_eq!(machine.arrived(), 1);

    let without = server.add(&machine).await;
    for (body, reason, step) in [
        (json!({ "password": "wrong" }), "instance-password-wrong", "authentication!"),
        (json!({ "password": "" }), "instance-password-missing", "security!"),
    ] {
        server.api().patch(&server.instance_path(&without), body).await.done();
        let before = machine.arrived();
        let result = tested(&server, &without).await;
        assert_eq!(result["reason"], reason, "{result}");
        assert!(steps(&result).ends_with(step), "{result}");
        assert!(result["next_step"].as_str().expect("a step").contains("--password-file"), "{result}");
        assert_eq!(machine.arrived(), before + 1, "{reason}: a second attempt may block the address");
    }
}

#[tokio::test]
async fn a_test_names_the_step_that_fails() {
    let server = TestServer::start().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let web = Instance::start(Script::default().greets(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    let full = Instance::start(Script::default().refuses("too many clients")).await;
    let odd = Instance::start(Script::default().offers(&[5])).await;
    let socket = web.endpoint().replace("vnc://", "ws://");
    for (endpoint, expected, reason, detail) in [
        (format!("vnc://{closed}"), "resolve connect!", "instance-refused-connection", "refused"),
        ("vnc://nowhere.invalid:5900".to_owned(), "resolve!", "endpoint-unresolved", "nowhere.invalid"),
        ("vnc+unix:/run/none".to_owned(), "connect!", "instance-unreachable", "no such socket"),
        (web.endpoint().to_owned(), "resolve connect version!", "instance-not-vnc", "HTTP/1.1 400"),
        (
            full.endpoint().to_owned(),
            "resolve connect version security!",
            "instance-refused-session",
            "too many clients",
        ),
        (
            odd.endpoint().to_owned(),
            "resolve connect version security!",
            "instance-security-unsupported",
            "5",
        ),
        (socket, "resolve connect upgrade!", "instance-refused-session", "400"),
    ] {
        let id = server.api().add_instance("alpha", json!({ "endpoint": endpoint })).await;
        let result = tested(&server, &id).await;
        assert_eq!(steps(&result), expected, "{endpoint}: {result}");
        assert_eq!(result["reason"], reason, "{endpoint}: {result}");
        assert!(result["message"].as_str().expect("a message").contains(detail), "{endpoint}: {result}");
        let audit = server.api().get("/api/v1/audit?limit=1").await.done();
        let record = &audit["items"][0];
        assert_eq!((&record["action"], &record["outcome"]), (&json!("instance.test"), &json!(reason)));
    }
}

#[tokio::test]
async fn a_machine_without_the_required_tls_fails_at_its_security() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let fingerprint = Authority::new().issue("vm").fingerprint;
    let id = server.add_with(&machine, json!({ "fingerprint": fingerprint })).await;
    let result = tested(&server, &id).await;
    assert_eq!(result["reason"], "instance-security-unsupported", "{result}");
    assert!(steps(&result).ends_with("security!"), "{result}");
}

#[tokio::test]
async fn a_machine_that_is_stopped_is_not_dialled() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let id = server.add_with(&machine, json!({ "status": "stopped" })).await;
    let result = tested(&server, &id).await;
    assert_eq!((&result["reason"], &result["steps"]), (&json!("instance-not-running"), &json!([])));
    assert_eq!(machine.arrived(), 0);
}

#[tokio::test]
async fn only_the_administrators_of_the_project_may_test() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default()).await;
    let id = server.add(&machine).await;
    let path = format!("{}/test", server.instance_path(&id));
    server.api().add_project("beta").await;
    for (project, role, status) in
        [("alpha", "reader", 403), ("alpha", "member", 403), ("beta", "admin", 404), ("alpha", "admin", 200)]
    {
        let api = server.api().with_key(&server.api().add_key(project, role).await);
        let answer = api.post(&path, json!({})).await;
        assert_eq!(answer.status, status, "{project} {role}: {answer}");
    }
    assert_eq!(server.api().post(&server.instance_path("none/test"), json!({})).await.status, 404);
    assert_eq!(machine.arrived(), 1);
}

#[tokio::test]
async fn a_test_of_an_endpoint_that_falls_silent_ends() {
    let server = TestServer::start().await;
    let silent = async |script: Script, expected: &str, detail: &str| {
        let machine = Instance::start(script).await;
        let id = server.add(&machine).await;
        let result = tested(&server, &id).await;
        assert_eq!(result["reason"], "instance-silent", "{result}");
        assert_eq!(steps(&result), expected);
        assert!(result["message"].as_str().expect("a message").contains(detail), "{result}");
    };
    let screen = "resolve connect version security authentication screen!";
    tokio::join!(
        silent(Script::default().greets(b""), "resolve connect version!", "sends nothing"),
        silent(
            Script::default().holds(Step::Security),
            "resolve connect version security!",
            "it stopped responding in the step security: a person may have to accept",
        ),
        silent(Script::default().holds(Step::Init), screen, "a person may have to accept"),
    );
}

#[tokio::test]
async fn a_project_with_many_tests_delays_only_itself() {
    let server = TestServer::start().await;
    let slow = Instance::start(Script::default().holds(Step::Greeting)).await;
    let id = server.add(&slow).await;
    let path = format!("{}/test", server.instance_path(&id));
    let (api, target) = (server.api().clone(), path.clone());
    let mut tests = JoinSet::new();
    for _ in 0..8 {
        let (api, path) = (api.clone(), target.clone());
        tests.spawn(async move { api.post(&path, json!({})).await });
    }
    within("all turns are taken", async {
        while slow.arrived() < 8 {
            yield_now().await
        }
    })
    .await;
    let refused = api.post(&path, json!({})).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("overloaded")), "{refused}");
    api.add_project("beta").await;
    let quick = Instance::start(Script::default()).await;
    let other = api.add_instance("beta", json!({ "endpoint": quick.endpoint() })).await;
    let result = api.post(&format!("/api/v1/projects/beta/instances/{other}/test"), json!({})).await.done();
    assert_eq!(result["result"], "opens");
    for _ in 0..8 {
        slow.release();
    }
    while let Some(done) = tests.join_next().await {
        assert_eq!(done.unwrap().done()["result"], "opens");
    }
}

#[tokio::test]
async fn a_test_whose_caller_hangs_up_is_recorded() {
    let server = TestServer::start().await;
    let machine = Instance::start(Script::default().holds(Step::Greeting)).await;
    let id = server.add(&machine).await;
    let path = format!("{}/test", server.instance_path(&id));
    let call = server.api().post(&path, json!({}));
    tokio::select! {
        answer = call => panic!("the machine is held: {answer}"),
        () = machine.held() => {}
    }
    machine.release();
    within("the test is recorded", async {
        loop {
            let audit = server.api().get("/api/v1/audit?limit=1").await.done();
            if audit["items"][0]["action"] == "instance.test" {
                assert_eq!(audit["items"][0]["outcome"], "ok");
                return;
            }
        }
    })
    .await;
}
