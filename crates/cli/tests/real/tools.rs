//! The page's tools, on machines that support them.

use transom_testkit::chromium::Visit;
use transom_testkit::process::PATIENCE;
use transom_testkit::qemu::{Qemu, Vnc};
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, console, lab, transom};

#[test]
fn chromium_copies_and_pastes_both_ways() {
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom());
    add(&program, "desk", &xvnc.endpoint(), "");
    // xterm pastes with Shift-Insert, and copies the word that is double-clicked: the first on its
    // screen.
    Visit::to(&console(&program, "desk"))
        .with(["--send", "from the page", "--key", "Shift+Insert", "--key", "Enter"])
        .with(["--mark", "12,8", "--receives", "from"])
        .run();
    xvnc.typed().expect("from the page\n", PATIENCE);
}

#[test]
fn chromium_has_the_machines_screen_follow_its_window_and_fills_its_own() {
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom());
    add(&program, "desk", &xvnc.endpoint(), "");
    let fitting = Visit::to(&console(&program, "desk")).with(["--scaling", "native"]).run();
    assert_eq!(fitting.size(), (640, 480));
    let following = Visit::to(&console(&program, "desk")).with(["--scaling", "remote"]).run();
    assert_eq!(following.size().0, 1280, "the window's width");
    let filling = Visit::to(&console(&program, "desk")).with(["--tool", "full-screen"]).run();
    assert_eq!(filling.whole()["full_screen"], true, "{filling:?}");
}

#[test]
fn chromium_restarts_a_qemu_guest_by_ctrl_alt_del() {
    let guest = Qemu::start(Vnc::Open);
    let program = lab(transom());
    add(&program, "guest", guest.endpoint(), "");
    Visit::to(&console(&program, "guest")).with(["--tool", "ctrl-alt-del"]).run();
    let greetings = |text: &str| text.matches("type here:").count();
    let again = guest.serial().find(PATIENCE, |text| (greetings(text) == 2).then_some(()));
    assert!(again.is_some(), "the guest did not start again: {}", guest.serial().text());
}
