//! The page names every reason why a console does not open, or ends. Sessions that can come back
//! do.

use std::net::TcpListener;

use transom_testkit::chromium::Visit;
use transom_testkit::process::PATIENCE;
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::cable::Cable;
use crate::{add, console, lab, transom};

fn desk() -> (Program, Xvnc) {
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom());
    add(&program, "desk", &xvnc.endpoint(), "");
    (program, xvnc)
}

/// Returns the only live session.
fn session(program: &Program) -> String {
    let sessions = program.ask_json("session list");
    sessions[0]["id"].as_str().expect("a session is live").to_owned()
}

#[test]
fn chromium_is_told_that_a_link_was_used_before() {
    let (program, _xvnc) = desk();
    let url = console(&program, "desk");
    Visit::to(&url).run();
    let report = Visit::refused(&url, "token-spent").shot("token-spent").run();
    assert_eq!(report.sentence(), "This console link has already been used.");
    assert!(report.next_step().starts_with("Ask for a new link."), "{report:?}");
}

#[test]
fn chromium_is_told_who_ended_its_session() {
    let (program, _xvnc) = desk();
    let page = Visit::to(&console(&program, "desk")).ending("session-killed").shot("session-killed").start();
    page.reaches("live", 1);
    program.ask(&format!("session end {}", session(&program)));
    assert!(page.finish().sentence().contains("by an operator"));
}

#[test]
fn chromium_is_told_that_its_grant_was_revoked() {
    let (program, _xvnc) = desk();
    let issued = program.ask_json("console desk --project lab --uses 0");
    let url = issued["url"].as_str().expect("a URL");
    let page = Visit::to(url).ending("link-revoked").start();
    page.reaches("live", 1);
    program.ask(&format!("link revoke {}", issued["link"].as_str().expect("a link")));
    page.finish();
    Visit::refused(url, "link-revoked").with(["--theme", "dark"]).shot("link-revoked-dark").run();
}

#[test]
fn chromium_is_told_that_the_instance_is_stopped_gone_or_shut() {
    let (program, mut xvnc) = desk();
    program.ask("instance set desk --project lab --status stopped");
    let stopped = program.run("console desk --project lab");
    assert_eq!(stopped.code, 1, "{stopped:?}");
    program.ask("instance set desk --project lab --status running");

    let url = program.ask("console desk --project lab --uses 0");
    program.ask("instance set desk --project lab --status stopped");
    Visit::refused(&url, "instance-not-running").with(["--device", "phone"]).shot("not-running-phone").run();

    program.ask("instance set desk --project lab --status running");
    let page = Visit::to(&url).then("reconnecting").start();
    page.reaches("live", 1);
    xvnc.stop();
    page.finish();

    let report = Visit::refused(&url, "instance-refused-connection")
        .with(["--device", "phone", "--theme", "dark"])
        .shot("refused-phone-dark")
        .run();
    assert!(report.next_step().contains("try again in a moment"), "{report:?}");
}

#[test]
fn chromium_is_told_that_the_instance_says_nothing() {
    let program = lab(transom());
    let silent = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    add(&program, "mute", &format!("vnc://{}", silent.local_addr().expect("it is bound")), "");
    Visit::refused(&console(&program, "mute"), "instance-silent").run();
}

#[test]
fn chromium_is_told_about_passwords_that_are_wrong_or_missing() {
    let xvnc = Xvnc::start(Security::Password("right"));
    let program = lab(transom());
    let password = program.file("password", "wrong");
    add(&program, "wrong", &xvnc.endpoint(), &format!("--password-file {password}"));
    add(&program, "none", &xvnc.endpoint(), "");
    let report =
        Visit::refused(&console(&program, "wrong"), "instance-password-wrong").shot("password").run();
    assert!(report.next_step().starts_with("Tell the machine's administrator"), "{report:?}");
    let title = report.whole()["title"].as_str().unwrap_or_default();
    assert!(title.starts_with("wrong – The VNC server rejected the password"), "{title}");
    let whole = report.whole().to_string();
    assert!(!whole.contains("transom instance") && !whole.contains("Authentication fail"), "{whole}");
    // The short request id, which people can read out, finds the details that the page does not
    // show.
    let facts = report.whole()["facts"].as_str().unwrap_or_default();
    let request =
        facts.split("request ").nth(1).expect("a request").split_whitespace().next().expect("an id");
    assert_eq!(request.len(), 8, "{facts}");
    let found = program.run(&format!("audit --request {request}"));
    assert!(found.stdout.contains("Authentication fail"), "{found:?}");
    assert!(found.stderr.contains("--password-file"), "{found:?}");
    Visit::refused(&console(&program, "none"), "instance-password-missing").run();
}

#[test]
fn chromium_resumes_after_a_reload_and_in_a_second_tab() {
    let (program, xvnc) = desk();
    let url = console(&program, "desk");
    Visit::to(&url).with(["--reload"]).run();
    let sessions = program.ask_json("session list --all");
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "one use, one session: {sessions}");

    Visit::to(&console(&program, "desk"))
        .typing("once\n")
        .with(["--duplicate", "--reason", "taken-over"])
        .run();
    xvnc.typed().expect("once\n", PATIENCE);
}

#[test]
fn chromium_resumes_when_the_instance_was_restarted() {
    let socket = Cable::new();
    let mut before = Xvnc::start(Security::None);
    socket.connect(&before.address());
    let program = lab(transom());
    add(&program, "desk", &format!("vnc://{}", socket.address()), "");
    let visit = Visit::to(&console(&program, "desk")).then("reconnecting").then("live");
    let page = visit.typing("a new day\n").start();
    page.reaches("live", 1);
    let id = session(&program);
    before.stop();
    page.reaches("reconnecting", 1);
    let after = Xvnc::start(Security::None);
    socket.connect(&after.address());
    page.reaches("live", 2);
    assert_eq!(session(&program), id);
    page.finish();
    after.typed().expect("a new day\n", PATIENCE);
}

#[test]
fn chromium_resumes_when_a_cut_network_is_back() {
    let cable = Cable::new();
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom().with(["--public-url", &format!("http://{}", cable.address())]));
    cable.connect(program.address());
    add(&program, "desk", &xvnc.endpoint(), "");
    let visit = Visit::to(&console(&program, "desk")).then("reconnecting").then("live");
    let page = visit.typing("still here\n").start();
    page.reaches("live", 1);
    let before = session(&program);
    cable.cut();
    page.reaches("reconnecting", 1);
    cable.connect(program.address());
    page.reaches("live", 2);
    assert_eq!(session(&program), before);
    page.finish();
    xvnc.typed().expect("still here\n", PATIENCE);
}
