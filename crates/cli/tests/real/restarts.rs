//! The server ends, in good order or not, and comes back: pages are told, wait, and continue.

use std::time::Duration;

use transom_testkit::chromium::{Page, Visit};
use transom_testkit::process::PATIENCE;
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, console, lab, transom};

/// The limit for a drain: `[limits] drain` is 10 seconds by default, and the rest is for a loaded
/// machine.
const DRAIN: Duration = Duration::from_secs(15);

/// Returns a page that is live, and will report when it is live again.
fn looking() -> (Program, Xvnc, Page) {
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom());
    add(&program, "desk", &xvnc.endpoint(), "");
    let visit = Visit::to(&console(&program, "desk")).then("reconnecting").then("live");
    let page = visit.typing("back again\n").start();
    page.reaches("live", 1);
    (program, xvnc, page)
}

#[test]
fn chromium_waits_while_the_server_restarts_and_resumes() {
    let (mut program, xvnc, page) = looking();
    assert_eq!(program.terminate(DRAIN), Some(0), "{}", program.log());
    page.reaches("reconnecting", 1);
    program.serve();
    page.finish();
    xvnc.typed().expect("back again\n", PATIENCE);
}

#[test]
fn chromium_resumes_after_the_server_was_killed_and_the_audit_is_whole() {
    let (mut program, xvnc, page) = looking();
    let before = program.ask_json("audit --limit 1000");
    program.server().kill();
    page.reaches("reconnecting", 1);
    program.serve();
    page.finish();
    xvnc.typed().expect("back again\n", PATIENCE);

    let after = program.ask_json("audit --limit 1000");
    let (before, after) = (before.as_array().expect("a list"), after.as_array().expect("a list"));
    assert!(after.starts_with(before), "{before:?}\n{after:?}");
    assert!(after.windows(2).all(|pair| pair[0]["seq"].as_i64() < pair[1]["seq"].as_i64()), "{after:?}");
}

#[test]
fn a_restart_finds_postgresqls_tables_as_they_are_and_says_nothing_of_it() {
    let mut program = lab(transom().environment("TRANSOM_DATABASE", transom_testkit::postgres::database()));
    assert_eq!(program.terminate(DRAIN), Some(0), "{}", program.log());
    program.serve();
    assert_eq!(program.ask_json("project list")[0]["name"], "lab");
    assert!(!program.log().contains("already exists"), "{}", program.log());
}

#[test]
fn a_node_that_is_killed_takes_its_own_id_again_at_once() {
    let mut program = lab(transom().environment("TRANSOM_DATABASE", transom_testkit::postgres::database()));
    let node = |program: &Program| std::fs::read_to_string(program.data().join("node")).expect("its id");
    let before = node(&program);
    program.server().kill();
    program.serve();
    assert_eq!(node(&program), before);
    assert!(!program.log().contains("another process"), "{}", program.log());
}
