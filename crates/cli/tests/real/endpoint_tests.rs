//! `transom instance test` with real VNC servers.

use transom_testkit::certificate::Authority;
use transom_testkit::program::Program;
use transom_testkit::qemu::{Qemu, Vnc};
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, lab, transom};

/// Tests an instance. Returns the names of its steps, and the reason if its console does not open.
fn tested(program: &Program, id: &str) -> (String, String) {
    let answer = program.run(&format!("instance test {id} --project lab --json"));
    let tested: serde_json::Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    let opens = tested["result"] == "opens";
    assert_eq!(answer.code, i32::from(!opens), "{answer:?}");
    let steps = tested["steps"].as_array().expect("steps").iter();
    let names: Vec<_> = steps.map(|step| step["name"].as_str().expect("a name")).collect();
    (names.join(" "), tested["reason"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn each_step_to_an_xvnc_or_a_qemu_guest_is_tested() {
    let authority = Authority::new();
    let certificate = authority.issue("127.0.0.1");
    let own = authority.self_signed("qemu", &["127.0.0.1"]);
    let program = lab(transom());
    let open = Xvnc::start(Security::None);
    let secret = Xvnc::start(Security::Tls(&certificate, "correct"));
    let guest = Qemu::start(Vnc::SecureWebSocket(&own));
    let (ca, password) = (authority.ca().display(), program.file("password", "correct"));
    let wrong = program.file("wrong", "wrong");
    let pinned = format!("--fingerprint {}", own.fingerprint);
    for (id, endpoint, more, steps, reason) in [
        ("open", &*open.endpoint(), "", "resolve connect version security authentication screen", ""),
        (
            "secret",
            &secret.endpoint(),
            &format!("--ca {ca} --password-file {password}"),
            "resolve connect version security tls authentication screen",
            "",
        ),
        (
            "wrong",
            &secret.endpoint(),
            &format!("--ca {ca} --password-file {wrong}"),
            "resolve connect version security tls authentication",
            "instance-password-wrong",
        ),
        ("stranger", guest.endpoint(), "", "resolve connect tls", "instance-tls-failed"),
        (
            "guest",
            guest.endpoint(),
            &pinned,
            "resolve connect tls upgrade version security authentication screen",
            "",
        ),
    ] {
        add(&program, id, endpoint, more);
        assert_eq!(tested(&program, id), (steps.to_owned(), reason.to_owned()), "{id}");
    }
    let all = program.run("instance test --all --project lab");
    assert_eq!(all.code, 1, "{all:?}");
    let rows: Vec<_> = all.stdout.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
    assert_eq!(rows, ["ID", "wrong", "stranger"], "{all:?}");
    assert!(all.stderr.starts_with("3 of 5 consoles open\n"), "{all:?}");
}
