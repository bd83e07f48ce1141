//! Consoles over TLS, with a certificate that Transom created or one from an authority.

use transom_testkit::certificate::{Authority, Certificate, OneLiner};
use transom_testkit::chromium::Visit;
use transom_testkit::process::{PATIENCE, Process};
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

/// Devices and the operator's commands trust the certificate that they are given as the CA, even if
/// it is not an authority's.
#[test]
fn a_server_that_signed_its_certificate_itself_is_trusted_by_it() {
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    for what in [OneLiner::Authority, OneLiner::Leaf] {
        let served = Certificate::by_openssl(folder.path(), what);
        let (cert, key) = (served.cert.display().to_string(), served.key.display().to_string());
        let program = transom().with(["--tls-cert", &cert, "--tls-key", &key]).serving();
        let at = program.data().join("admin.json");
        let read = std::fs::read_to_string(&at).expect("admin.json");
        let mut admin: serde_json::Value = serde_json::from_str(&read).expect("JSON");
        admin["ca"] = cert.clone().into();
        std::fs::write(&at, admin.to_string()).expect("written");
        program.ask("project add lab");
        let key = program.ask_json("key add --project lab");
        let key = key["id"].as_str().expect("an id");
        let made = program.ask_json(&format!("address add --key {key} --action listen"));
        let word = |name: &str| made[name].as_str().expect(name).to_owned();
        let password = program.file("password", &word("cloudPassword"));
        let line = |ca: &str, data: &str| {
            format!(
                "agent --server https://{} --ca {ca} --data {} --address {} --password-file {password} --to 127.0.0.1:1",
                program.address(),
                program.data().join(data).display(),
                word("cloudAddress"),
            )
        };
        let trusting = line(&cert, "agent");
        let agent = Process::start("transom agent", program.command().args(trusting.split_whitespace()));
        agent.stderr().expect("Online\n", PATIENCE);
        // A different certificate with the same name is not trusted.
        let elsewhere = tempfile::tempdir().expect("the temporary folder can be written");
        let other = Certificate::by_openssl(elsewhere.path(), what).cert.display().to_string();
        let doubting = line(&other, "other");
        let agent = Process::start("transom agent", program.command().args(doubting.split_whitespace()));
        agent.stderr().expect("certificate", PATIENCE);
        assert!(!agent.stderr().text().contains("Online"), "{}", agent.stderr().text());
    }
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
    program.ask(&format!("session end {}", sessions[0]["id"].as_str().expect("it still runs")));
    page.finish();
}
