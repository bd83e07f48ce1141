//! The main task: a console URL opens a real machine, and typed keys arrive there.

use transom_testkit::certificate::Authority;
use transom_testkit::chromium::Visit;
use transom_testkit::postgres;
use transom_testkit::process::PATIENCE;
use transom_testkit::program::Program;
use transom_testkit::qemu::{Qemu, Vnc};
use transom_testkit::websockify::Websockify;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, console, lab, transom};

const PASSWORD: &str = "s3cret!?";
/// Every kind of key: with and without Shift, and the signs that layouts place differently.
const TEXT: &str = "Hello, World! #42 {a|b} ~/x_y\\z \"q\" 'q' <1+2=3?>";

#[test]
fn chromium_types_into_an_xvnc_with_a_password() {
    xvnc_with_a_password(lab(transom()));
}

#[test]
fn chromium_types_into_an_xvnc_with_a_password_on_postgresql() {
    xvnc_with_a_password(lab(transom().with(["--database", &postgres::database()])));
}

#[test]
fn chromium_types_into_a_qemu_guest_with_a_password() {
    qemu(Vnc::Password(PASSWORD), lab(transom()), "guest");
}

#[test]
fn chromium_types_into_a_qemu_guest_with_a_password_on_postgresql() {
    qemu(
        Vnc::Password(PASSWORD),
        lab(transom().with(["--database", &postgres::database()])),
        "guest-on-postgresql",
    );
}

#[test]
fn chromium_types_into_a_qemu_guest_behind_a_unix_socket() {
    qemu(Vnc::Unix, lab(transom()), "guest-unix");
}

#[test]
fn chromium_types_into_a_qemu_guest_behind_a_unix_socket_on_postgresql() {
    qemu(Vnc::Unix, lab(transom().with(["--database", &postgres::database()])), "guest-unix-on-postgresql");
}

#[test]
fn chromium_types_into_a_qemu_guest_behind_a_websocket_with_a_password() {
    qemu(Vnc::WebSocket(PASSWORD), lab(transom()), "guest-websocket");
}

#[test]
fn chromium_types_into_a_qemu_guest_behind_a_websocket_with_tls() {
    let authority = Authority::new();
    let certificate = authority.self_signed("qemu", &["127.0.0.1"]);
    let guest = Qemu::start(Vnc::SecureWebSocket(&certificate));
    let program = lab(transom());
    add(&program, "guest", guest.endpoint(), &format!("--fingerprint {}", certificate.fingerprint));
    Visit::to(&console(&program, "guest")).typing("by fingerprint\n").run();
    guest.serial().expect("by fingerprint", PATIENCE);
    // Without trust settings, the machine's own authorities decide.
    add(&program, "stranger", guest.endpoint(), "");
    Visit::refused(&console(&program, "stranger"), "instance-tls-failed").run();
}

#[test]
fn chromium_types_into_an_xvnc_behind_a_websockify_that_demands_a_login() {
    let xvnc = Xvnc::start(Security::Password(PASSWORD));
    let websockify = Websockify::start(&xvnc.address(), "gateway:hushhush");
    let program = lab(transom());
    let password = program.file("password", PASSWORD);
    let headers = program.file("headers", "Authorization: Basic Z2F0ZXdheTpodXNoaHVzaA==\n");
    let endpoint = websockify.endpoint();
    add(&program, "desk", &endpoint, &format!("--password-file {password} --header-file {headers}"));
    Visit::to(&console(&program, "desk")).typing(&format!("{TEXT}\n")).with(["--changes"]).run();
    xvnc.typed().expect(&format!("{TEXT}\n"), PATIENCE);
    add(&program, "stranger", &endpoint, &format!("--password-file {password}"));
    Visit::refused(&console(&program, "stranger"), "instance-refused-session").run();
    assert!(program.ask("audit").contains("the server answers 401"));
}

#[test]
fn chromium_only_watches_a_qemu_guest_by_a_view_only_url() {
    let guest = Qemu::start(Vnc::Open);
    let program = lab(transom());
    add(&program, "guest", guest.endpoint(), "");
    let watching = program.ask("console guest --project lab --view-only");
    let watched = Visit::to(&watching).typing("not for you").with(["--key", "Enter"]).shot("view-only").run();
    assert_eq!(watched.tools(), ["full-screen", "leave"]);
    let worked = Visit::to(&console(&program, "guest")).typing("for me\n").run();
    assert_eq!(worked.tools(), ["ctrl-alt-del", "clipboard-toggle", "full-screen", "leave"]);
    guest.serial().expect("for me\r\n", PATIENCE);
    assert_eq!(
        guest.serial().text().split_once("type here:\r\n").map(|(_, typed)| typed),
        Some("for me\r\n")
    );
}

#[test]
fn chromium_opens_an_xvnc_by_vencrypt_and_its_ca() {
    let authority = Authority::new();
    let xvnc = Xvnc::start(Security::Tls(&authority.issue("xvnc"), PASSWORD));
    let program = lab(transom());
    let password = program.file("password", PASSWORD);
    let ca = authority.ca().display();
    add(&program, "desk", &xvnc.endpoint(), &format!("--password-file {password} --ca {ca}"));
    Visit::to(&console(&program, "desk")).typing("by CA\n").run();
    xvnc.typed().expect("by CA\n", PATIENCE);
}

#[test]
fn chromium_opens_an_xvnc_by_vencrypt_and_its_fingerprint() {
    let authority = Authority::new();
    let certificate = authority.issue("xvnc");
    let xvnc = Xvnc::start(Security::Tls(&certificate, PASSWORD));
    let program = lab(transom());
    let password = program.file("password", PASSWORD);
    let fingerprint = &certificate.fingerprint;
    add(
        &program,
        "desk",
        &xvnc.endpoint(),
        &format!("--password-file {password} --fingerprint {fingerprint}"),
    );
    Visit::to(&console(&program, "desk")).typing("by fingerprint\n").run();
    xvnc.typed().expect("by fingerprint\n", PATIENCE);
}

#[test]
fn chromium_shows_that_tls_with_an_xvnc_failed_and_the_audit_that_its_certificate_is_of_another_ca() {
    let (authority, other) = (Authority::new(), Authority::new());
    let xvnc = Xvnc::start(Security::Tls(&authority.issue("xvnc"), PASSWORD));
    let program = lab(transom());
    let password = program.file("password", PASSWORD);
    let ca = other.ca().display();
    add(&program, "desk", &xvnc.endpoint(), &format!("--password-file {password} --ca {ca}"));
    let report = Visit::refused(&console(&program, "desk"), "instance-tls-failed").run();
    assert!(report.next_step().starts_with("Tell the machine's administrator"), "{report:?}");
    assert!(!report.whole().to_string().contains("invalid peer certificate"), "{report:?}");
    assert!(program.ask("audit").contains("invalid peer certificate"));
}

fn xvnc_with_a_password(program: Program) {
    let xvnc = Xvnc::start(Security::Password(PASSWORD));
    // Editors end files with a newline.
    let password = program.file("password", &format!("{PASSWORD}\n"));
    add(&program, "desk", &xvnc.endpoint(), &format!("--password-file {password}"));
    let report = Visit::to(&console(&program, "desk")).typing(&format!("{TEXT}\n")).with(["--changes"]).run();
    xvnc.typed().expect(&format!("{TEXT}\n"), PATIENCE);
    assert_eq!(report.size(), (640, 480));
}

fn qemu(vnc: Vnc<'_>, program: Program, shot: &str) {
    let guest = Qemu::start(vnc);
    add(&program, "guest", guest.endpoint(), "");
    if let Vnc::Password(password) | Vnc::WebSocket(password) = vnc {
        let answer = program.run_with("instance set guest --project lab --password-file -", password);
        assert_eq!(answer.code, 0, "{answer:?}");
    }
    Visit::to(&console(&program, "guest")).typing(&format!("{TEXT}\n")).with(["--changes"]).shot(shot).run();
    guest.serial().expect(&format!("type here:\r\n{TEXT}\r\n"), PATIENCE);
}
