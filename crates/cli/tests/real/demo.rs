//! `transom demo` as a new user sees it.

use transom_testkit::chromium::Visit;
use transom_testkit::process::{PATIENCE, Process};

use crate::transom;

/// The area in which the test desktop writes the second to sixth typed character. All else there is
/// still.
const TYPED: &str = "52,198,60,18";

#[test]
fn chromium_opens_the_demo_and_what_it_says_to_try_next_works() {
    let program = transom();
    let mut command = program.command();
    let mut demo =
        Process::start("transom demo", command.args(["demo", "--no-open", "--listen", "127.0.0.1:0"]));
    let url = demo.stdout().find(PATIENCE, |text| text.strip_suffix('\n').map(str::to_owned));
    let url = url.expect("the demo prints a URL");

    Visit::to(&url).typing("Hello!\n").with(["--changes", "--part", TYPED]).shot("demo").run();

    demo.stderr().expect("Ctrl-C ends the demo", PATIENCE);
    let said = demo.stderr().text().replace("\\\n", " ");
    let lines = said.lines().map(str::trim);
    let signed = lines.clone().find(|line| line.starts_with("sha() "));
    let commands: Vec<_> = lines.filter(|line| line.starts_with('/') || line.starts_with("curl ")).collect();
    let [console, sessions, asking, device] = commands[..] else { panic!("four commands to paste: {said}") };
    let second = program.paste(console);
    assert!(second.stdout.contains("/console#token="), "{second:?}");
    let sessions = program.paste(sessions);
    assert_eq!(sessions.code, 0, "{sessions:?}");
    let api = program.paste(asking);
    assert!(api.stdout.contains("/console#token="), "{api:?}");
    let openstack = said.lines().map(str::trim).find(|line| line.starts_with("OS_AUTH_URL="));
    let clients = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/clients/openstack/bin");
    let shown = program
        .paste(&format!("PATH={clients}:$PATH; export PATH; {}", openstack.expect("a call to Nova's door")));
    assert!(shown.stdout.contains("vnc_auto.html?path=%3Ftoken%3D"), "{shown:?}");
    let signed = program.paste(signed.expect("a call to Zenlayer's door"));
    assert!(signed.stdout.contains("/console?token="), "{signed:?}");
    let device = program.paste(device);
    assert!(device.stdout.contains(r#""cloudAddress":"#), "{device:?}");
    // Watching is its purpose, so the picture is there.
    Visit::to(second.stdout.trim()).with(["--device", "phone", "--theme", "dark"]).shot("demo-phone").run();

    let port = url.split(['/', '#']).nth(2).expect("a URL names host and port");
    let another = program.run(&format!("demo --no-open --listen {port}"));
    assert!(another.stderr.contains("choose another address with --listen"), "{another:?}");

    demo.terminate();
    assert_eq!(demo.wait(PATIENCE).code(), Some(0));
    // If these are pasted too late, each says why it does not work.
    for late in [console, asking] {
        let late = program.paste(late);
        assert!(late.code != 0 && !late.stderr.is_empty(), "{late:?}");
    }
}
