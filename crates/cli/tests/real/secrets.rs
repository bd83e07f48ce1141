//! The server's most detailed log contains no secret.

use transom_testkit::chromium::Visit;
use transom_testkit::process::PATIENCE;
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, lab, transom};

const PASSWORD: &str = "pAsswOrd";
const TYPED: &str = "keystrokes stay private";

#[test]
fn no_secret_is_in_the_log_of_a_whole_chromium_session() {
    let xvnc = Xvnc::start(Security::Password(PASSWORD));
    let program = lab(transom().with(["--self-signed"]).logging("trace,rustls=trace,h2=trace"));
    let password = program.file("password", PASSWORD);
    add(&program, "desk", &xvnc.endpoint(), &format!("--password-file {password}"));
    let key = program.ask_json("key add --project lab");
    let issued = program.ask_json("console desk --project lab");
    let url = issued["url"].as_str().expect("a URL");

    // The test cannot see the browser's tickets. The page after a reload shows that they were used.
    Visit::to(url).typing(&format!("{TYPED}\n")).with(["--insecure", "--reload"]).run();
    xvnc.typed().expect(TYPED, PATIENCE);
    Visit::refused(url, "token-spent").with(["--insecure"]).run();
    let id = key["id"].as_str().expect("an id");
    let secret = key["secret"].as_str().expect("a secret");
    let base = format!("https://{}", program.address());
    for path in [
        "api/v1/projects",
        &format!("websockify?token={}", token(url)),
        &format!("console?token={}", token(url)),
    ] {
        program.paste(&format!("curl -sk -u {id}:{secret} {base}/{path}"));
    }

    let admin = std::fs::read_to_string(program.data().join("admin.json")).expect("admin.json");
    let admin: serde_json::Value = serde_json::from_str(&admin).expect("JSON");
    let master = std::fs::read_to_string(program.data().join("master.key")).expect("master.key");
    let log = program.log();
    assert!(log.contains(" DEBUG ") && log.contains(issued["link"].as_str().expect("a link")), "{log}");
    for (what, secret) in [
        ("the token", token(url)),
        ("the VNC password", PASSWORD),
        ("the key's secret", secret),
        ("the operator's token", admin["token"].as_str().expect("a token")),
        ("the master key", master.trim()),
        ("what was typed", TYPED),
    ] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{what} is in the log: {line:?}");
    }
    // Tickets travel in a WebSocket subprotocol or a cookie, and neither header is logged.
    for word in ["sec-websocket-protocol", "set-cookie"] {
        let line = log.lines().find(|line| line.to_ascii_lowercase().contains(word));
        assert!(line.is_none(), "{line:?}");
    }
}

fn token(url: &str) -> &str {
    url.split_once("#token=").expect("a native console URL").1
}
