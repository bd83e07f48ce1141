//! Machines that ask a person whether a viewer may come in: unmodified x11vnc and TigerVNC's Xvnc.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Command;

use transom_testkit::chromium::{Page, Visit};
use transom_testkit::process::PATIENCE;
use transom_testkit::program::Program;
use transom_testkit::x11vnc::X11vnc;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, console, lab, transom};

const WAITS: &str = "shows=Waiting for desk to accept…";

/// Returns a page that waits for a person, and says so.
fn waiting_page(program: &Program) -> Page {
    let page = Visit::expecting(&console(program, "desk"), "connecting").step(WAITS).step("go");
    let page = page.step("stage=live").typing("let in\n").start();
    page.takes(WAITS, 1);
    page
}

/// Returns a page that waits for a person, who refuses.
fn refused_page(program: &Program, reason: &str) -> Page {
    let page = Visit::expecting(&console(program, "desk"), "connecting").step(WAITS).step("go");
    let page = page.step("stage=ended").with(["--reason", reason]).start();
    page.takes(WAITS, 1);
    page
}

#[test]
fn chromium_waits_until_x11vncs_command_accepts_it_and_is_told_where_it_does_not() {
    let program = lab(transom());
    let answers = format!("{}.pipe", program.file("accept", ""));
    assert!(Command::new("mkfifo").arg(&answers).status().expect("mkfifo starts").success());
    let screen = Xvnc::start(Security::None);
    // The command ends when an answer has been written.
    let x11vnc = X11vnc::start(&screen, &["-accept", &format!("read answer <{answers}; exit $answer")]);
    add(&program, "desk", &format!("vnc://{}", x11vnc.address()), "");
    let answer = |code: &str| {
        // Opening waits until the command reads.
        let mut pipe = OpenOptions::new().write(true).open(&answers).expect("the pipe is there");
        writeln!(pipe, "{code}").expect("it is read");
    };
    let mut page = waiting_page(&program);
    page.go();
    answer("0");
    page.finish();
    screen.typed().expect("let in\n", PATIENCE);
    let mut page = refused_page(&program, "instance-closed-early");
    page.go();
    answer("1");
    page.finish();
}

#[test]
fn chromium_waits_until_somebody_at_an_xvnc_accepts_it_and_is_told_where_they_do_not() {
    let program = lab(transom());
    let screen = Xvnc::start(Security::Query);
    add(&program, "desk", &screen.endpoint(), "");
    let mut page = waiting_page(&program);
    page.go();
    screen.answers(true);
    page.finish();
    screen.typed().expect("let in\n", PATIENCE);
    let mut page = refused_page(&program, "instance-refused-session");
    page.go();
    screen.answers(false);
    page.finish();
    assert!(program.ask("audit").contains("Connection rejected by local user"));
}
