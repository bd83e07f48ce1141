//! A page and its connection: a page comes back from lost connections, but not from a deliberate
//! end.

use std::time::Instant;

use serde_json::Value;
use transom_testkit::chromium::{Report, Visit};
use transom_testkit::process::PATIENCE;
use transom_testkit::program::Program;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::cable::Cable;
use crate::machine::{Machine, SIZE};
use crate::{add, console, lab, transom};

/// Returns the newest session.
fn session(program: &Program) -> Value {
    program.ask_json("session list --all")[0].clone()
}

/// Returns the newest session, once the server has noticed that its viewer is gone.
fn detached(program: &Program) -> Value {
    let begun = Instant::now();
    loop {
        let newest = session(program);
        if newest["state"] == "detached" {
            return newest;
        }
        assert!(begun.elapsed() < PATIENCE, "{newest}");
    }
}

/// Returns a server that browsers reach through this cable, with an Xvnc behind it.
fn desk(cable: &Cable) -> (Program, Xvnc) {
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom().with(["--public-url", &format!("http://{}", cable.address())]));
    cable.connect(program.address());
    add(&program, "desk", &xvnc.endpoint(), "");
    (program, xvnc)
}

#[test]
fn chromium_connects_again_after_disconnecting_and_ends_its_session() {
    let (program, xvnc) = (lab(transom()), Xvnc::start(Security::None));
    add(&program, "desk", &xvnc.endpoint(), "");
    let mut page = Visit::to(&console(&program, "desk"))
        .step("press=leave")
        .step("shows=You have disconnected from desk.")
        .shot_step("disconnected")
        .step("go")
        .step("press=try-again")
        .step("stage=live")
        .step("press=leave")
        .step("stage=ended")
        // A page that left on purpose asks before it connects, also after a reload.
        .step("reload")
        .step("shows=You have disconnected from desk.")
        .step("press=try-again")
        .step("stage=live")
        .typing("still mine\n")
        .start();
    page.takes("shows=You have disconnected from desk.", 1);
    let before = detached(&program);
    page.go();
    page.finish();
    xvnc.typed().expect("still mine\n", PATIENCE);
    let sessions = program.ask_json("session list --all");
    assert_eq!(sessions.as_array().map(Vec::len), Some(1), "one link, one use, one session: {sessions}");
    assert_eq!(sessions[0]["id"], before["id"]);

    let ended = Visit::to(&console(&program, "desk"))
        .step("press=leave")
        .step("stage=ended")
        .step("press=end-session")
        .step("shows=You have ended the session.")
        .shot_step("session-ended")
        .step("reload")
        .step("shows=This page needs a console link.")
        .run();
    assert_eq!(ended.whole()["reason"], "needs-link");
    let after = session(&program);
    assert_eq!((&after["state"], &after["end_reason"]), (&"ended".into(), &"viewer-closed".into()));
}

#[test]
fn chromium_notices_that_a_watchers_line_was_swallowed_and_comes_back() {
    let cable = Cable::new();
    let (program, _xvnc) = desk(&cable);
    let url = program.ask("console desk --project lab --view-only");
    let mut page = Visit::to(&url)
        .step("go")
        .step("pass=27")
        .step("stage=reconnecting")
        .shot_step("reconnecting")
        .step("stage=live")
        .start();
    page.reaches("live", 1);
    let id = session(&program)["id"].clone();
    cable.swallow();
    page.go();
    page.finish();
    assert_eq!(session(&program)["id"], id);
}

#[test]
fn chromium_is_back_soon_after_a_network_that_held_everything() {
    let cable = Cable::new();
    let (program, xvnc) = desk(&cable);
    let mut page = Visit::to(&console(&program, "desk"))
        .step("go")
        .step("pass=27")
        .step("stage=reconnecting")
        .step("stage=live")
        .typing("back again\n")
        .start();
    page.reaches("live", 1);
    let id = session(&program)["id"].clone();
    cable.hold();
    page.go();
    page.reaches("reconnecting", 1);
    // The page's goodbye arrives with the other data.
    cable.release();
    page.finish();
    xvnc.typed().expect("back again\n", PATIENCE);
    assert_eq!(session(&program)["id"], id);
}

#[test]
fn chromium_waits_for_somebody_to_accept() {
    let machine = Machine::that_asks();
    let program = lab(transom());
    add(&program, "desk", &machine.endpoint(), "");
    let mut page = Visit::expecting(&console(&program, "desk"), "connecting")
        .step("shows=Waiting for desk to accept…")
        .shot_step("waiting")
        .step("go")
        .step("stage=live")
        .start();
    page.takes("shows=Waiting for desk to accept…", 1);
    page.go();
    page.takes("go", 1);
    machine.accept();
    assert_eq!(page.finish().size(), SIZE);
}

#[test]
fn chromium_counts_a_links_time_down_and_says_that_it_is_over() {
    let (program, xvnc) = (lab(transom()), Xvnc::start(Security::None));
    add(&program, "desk", &xvnc.endpoint(), "");
    let five_minutes = program.ask("console desk --project lab --ends-after 5m");
    Visit::to(&five_minutes).step("shows=Ends in 4:").shot_step("ends-in-minutes").run();

    let url = program.ask("console desk --project lab --ends-after 30s");
    let report = Visit::to(&url)
        .step("shows=Ends in 0:")
        .step("shows=This console link has ended.")
        .shot_step("link-ended")
        .run();
    assert_eq!(report.whole()["reason"], "link-ended");
    let ended = session(&program);
    assert_eq!((&ended["state"], &ended["end_reason"]), (&"ended".into(), &"link-ended".into()));
}

#[test]
fn chromium_comes_back_after_a_picture_that_it_cannot_draw() {
    let machine = Machine::start();
    let program = lab(transom());
    add(&program, "desk", &machine.endpoint(), "");
    let page = Visit::to(&console(&program, "desk")).then("reconnecting").then("live").start();
    page.reaches("live", 1);
    let id = session(&program)["id"].clone();
    machine.send_garbage();
    page.finish();
    assert_eq!(session(&program)["id"], id);
}

#[test]
fn chromium_says_what_became_of_a_clipboard() {
    let machine = Machine::start();
    let program = lab(transom());
    add(&program, "desk", &machine.endpoint(), "");
    Visit::to(&console(&program, "desk"))
        .step("press=clipboard-toggle")
        .step("fill=17000000")
        .step("shows=This text is too long: it is 17 MB, and at most 10 MB can be sent.")
        .step("press=clipboard-send")
        .step("shows=This text is too long: it is 17 MB, and at most 10 MB can be sent.")
        .shot_step("clipboard-too-long")
        .step("fill=9000000")
        .step("press=clipboard-send")
        .step("shows=Sent to the machine’s VNC server")
        .shot_step("clipboard-handed")
        .run();
    // A ClientCutText of 9,000,000 bytes.
    assert_eq!(machine.hears(b"\x06\0\0\0\0\x89\x54\x40"), 1, "the longer text was not sent at all");
}

/// Returns the width and height of the other console's picture.
fn other(report: &Report) -> (u64, u64) {
    let side = |name: &str| report.whole()["other"][name].as_u64().expect("there is a picture");
    (side("width"), side("height"))
}

#[test]
fn chromium_resizes_the_machine_that_it_was_asked_to_and_gives_its_size_back() {
    let (first, second) = (Xvnc::start(Security::None), Xvnc::start(Security::None));
    let program = lab(transom());
    add(&program, "one", &first.endpoint(), "");
    add(&program, "two", &second.endpoint(), "");
    let resizing = || Visit::to(&console(&program, "one")).with(["--scaling", "remote"]);

    let report = resizing().with(["--other", &console(&program, "two")]).run();
    assert_ne!(report.size(), (640, 480));
    assert_eq!(other(&report), (640, 480), "what was chosen for one machine is not done to another");
    let report = resizing().with(["--reload"]).run();
    assert_ne!(report.size(), (640, 480), "the choice is remembered");

    // A closed tab leaves the machine as it was, and so does a disconnected one.
    assert_eq!(Visit::to(&console(&program, "one")).run().size(), (640, 480));
    let leaving = Visit::to(&console(&program, "one"))
        .step("press-choice=remote")
        .step("resized")
        .step("press=leave")
        .step("stage=ended")
        .step("go");
    let mut page = leaving.start();
    page.takes("stage=ended", 1);
    assert_eq!(Visit::to(&console(&program, "one")).run().size(), (640, 480));
    page.go();
    page.finish();
}

#[test]
fn chromium_on_a_phone_does_not_resize_a_machine_unasked() {
    let xvnc = Xvnc::start(Security::None);
    let program = lab(transom());
    add(&program, "desk", &xvnc.endpoint(), "");
    let phone = || {
        Visit::to(&console(&program, "desk"))
            .with(["--device", "phone"])
            .step("press-choice=remote")
            .step("resized")
    };
    assert_ne!(phone().run().size(), (640, 480), "asked for, it does");
    let reloaded = phone().step("reload").step("stage=live").run();
    assert_eq!(reloaded.size(), (640, 480), "unasked, it does not");
}
