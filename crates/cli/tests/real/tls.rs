//! Consoles over TLS, with a certificate of Transom's own making or of an authority.

use transom_testkit::certificate::Authority;
use transom_testkit::chromium::Visit;
use transom_testkit::process::PATIENCE;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, console, lab, transom};

#[test]
fn chromium_opens_a_console_by_wss_with_a_self_signed_certificate() {
    let xvnc = Xvnc::start(Security::None);
    // Every operator command trusts the authority that admin.json names.
    let program = lab(transom().with(["--self-signed"]));
    add(&program, "desk", &xvnc.endpoint(), "");
    let log = program.log();
    let curl = log.lines().map(str::trim).find(|line| line.starts_with("curl ")).expect("a curl line");
    let healthy = program.paste(curl);
    assert_eq!((healthy.code, healthy.stdout.trim()), (0, "ok"), "{curl}: {healthy:?}");

    let url = console(&program, "desk");
    assert!(url.starts_with("https://"), "{url}");
    Visit::to(&url).typing("over TLS\n").with(["--insecure"]).run();
    xvnc.typed().expect("over TLS\n", PATIENCE);
}

#[test]
fn a_new_certificate_is_taken_up_while_chromium_looks() {
    let authority = Authority::new();
    let first = authority.issue("served");
    let xvnc = Xvnc::start(Security::None);
    let (cert, key) = (first.cert.display().to_string(), first.key.display().to_string());
    let mut program = lab(transom().with(["--tls-cert", &cert, "--tls-key", &key]));
    add(&program, "desk", &xvnc.endpoint(), "");
    let page = Visit::to(&console(&program, "desk")).with(["--insecure"]).ending("session-killed").start();
    page.reaches("live", 1);

    let second = authority.issue("served");
    assert_ne!(first.fingerprint, second.fingerprint);
    let show = format!(
        "openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
        program.address()
    );
    program.server().stderr().expect("the new certificate is in use", PATIENCE);
    assert!(program.paste(&show).stdout.contains(&second.fingerprint));
    let sessions = program.ask_json("session list");
    program.ask(&format!("session kill {}", sessions[0]["id"].as_str().expect("it still runs")));
    page.finish();
}
