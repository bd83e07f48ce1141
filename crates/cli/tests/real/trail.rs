//! A console through each cloud's API: the log and the audit find it by the request id that its
//! caller received, and by the grant's id.

use std::path::Path;

use serde_json::Value;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, lab, transom};

/// Opens the URL until its first picture, as a viewer in Java does.
fn look_at(program: &Program, url: &str) {
    let viewer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients/java/Viewer.java");
    let seen = program.paste(&format!("java {} '{url}'", viewer.display()));
    assert_eq!(seen.code, 0, "{seen:?}");
}

/// Expects that the log and the audit find the creation of a URL by this request id, with its
/// caller and dialect.
fn is_found(program: &mut Program, request: &str, url: &str, dialect: &str, key: &str) {
    program.server().stderr().expect(request, PATIENCE);
    let asked = program.ask_json(&format!("audit --request {request}"));
    let created = &asked[0];
    for (member, expected) in [
        ("action", "link.create"),
        ("dialect", dialect),
        ("actor", key),
        ("target", "web-1"),
        ("outcome", "ok"),
    ] {
        assert_eq!(created[member], expected, "{created}");
    }
    let grant = created["link"].as_str().expect("a link");
    let mut command = program.command();
    let follow =
        Process::start("transom audit", command.args(["audit", "--follow", "--json", "--link", grant]));
    look_at(program, url);
    follow.stdout().expect("session.end", PATIENCE);
    let told: Vec<Value> =
        follow.stdout().text().lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let actions: Vec<_> = told.iter().map(|record| record["action"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, ["link.create", "session.start", "session.end"]);
    assert!(
        told.iter().all(|record| record["project"] == created["project"] && record["dialect"] == dialect)
    );
    program.server().stderr().expect(grant, PATIENCE);
}

#[test]
fn a_console_of_each_door_is_found_by_the_request_id_that_its_caller_was_given() {
    let screen = Xvnc::start(Security::None);
    let mut program = lab(transom());
    add(&program, "web-1", &screen.endpoint(), "");
    let key = program.ask_json("key add --project lab");
    let (id, secret) = (key["id"].as_str().expect("an id"), key["secret"].as_str().expect("a secret"));
    let token = program.ask(&format!("key token {id}"));
    let url = format!("http://{}", program.address());

    let zenlayer = program.paste(&format!(
        "curl -s {url}/api/v2/zec -H 'authorization: Bearer {token}' -H 'content-type: application/json' \
         -H 'x-zc-version: 2025-09-01' -H 'x-zc-action: DescribeVncUrl' -d '{{\"instanceId\":\"web-1\"}}'"
    ));
    let answer: Value = serde_json::from_str(&zenlayer.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    is_found(&mut program, &text(&answer["requestId"]), &text(&answer["url"]), "zenlayer", id);

    let openstack = program.paste(&format!(
        "curl -si -u {id}:{secret} {url}/v2.1/servers/web-1/action -H 'content-type: application/json' \
         -d '{{\"os-getVNCConsole\":{{\"type\":\"xvpvnc\"}}}}'"
    ));
    let (head, body) = openstack.stdout.split_once("\r\n\r\n").expect("an answer");
    let answer: Value = serde_json::from_str(body).expect("JSON");
    let request =
        head.lines().find_map(|line| line.strip_prefix("x-compute-request-id: ")).expect("a request id");
    is_found(&mut program, request, &text(&answer["console"]["url"]), "openstack", id);
}
