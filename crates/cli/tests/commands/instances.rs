//! Instances: added, changed, listed, tested, removed.

use insta::{assert_json_snapshot, assert_snapshot};
use transom_testkit::certificate::Authority;
use transom_testkit::program::{Answer, Program};

use crate::{failing, lab, without_request};

fn ids(program: &Program) -> Vec<String> {
    let instances = program.ask_json("instance list --project lab");
    let ids =
        instances.as_array().expect("a list").iter().map(|instance| instance["id"].as_str().expect("an id"));
    ids.map(str::to_owned).collect()
}

#[test]
fn a_ca_and_a_fingerprint_replace_each_other_and_the_command_says_so() {
    let program = lab();
    let authority = Authority::new();
    let ca = authority.ca().display();
    let fingerprint = authority.issue("vm").fingerprint;
    let set = |words: &str| program.run(&format!("instance set vm --project lab {words}")).stderr;
    let checked_by = || {
        let instance = program.ask_json("instance show vm --project lab");
        (instance["security"]["ca"] == true, instance["security"]["fingerprint"].is_string())
    };
    program.ask(&format!("instance add vm --project lab --endpoint vnc://192.0.2.1 --ca {ca}"));
    assert_eq!(
        set(&format!("--fingerprint {fingerprint}")),
        "The fingerprint replaces the CA that was set.\n"
    );
    assert_eq!(checked_by(), (false, true));
    assert_eq!(set(&format!("--ca {ca}")), "The CA replaces the fingerprint that was set.\n");
    assert_eq!(checked_by(), (true, false));
    assert_eq!(set(&format!("--ca {ca}")), "", "no setting was replaced");
    assert_eq!(set("--status stopped"), "");
    assert_eq!(checked_by(), (true, false));

    let both = "instance set vm --project lab --ca CA --fingerprint AB";
    assert!(program.run(both).stderr.contains("cannot be used with"), "{:?}", program.run(both));
    let rows = serde_json::json!([{
        "id": "both", "endpoint": "vnc://192.0.2.2", "fingerprint": fingerprint,
        "ca": std::fs::read_to_string(authority.ca()).expect("the CA"),
    }]);
    let file = program.file("both.json", &rows.to_string());
    let import = program.run(&format!("instance import {file} --project lab"));
    assert!(import.stderr.contains("fingerprint: cannot be set together with ca"), "{import:?}");
}

#[test]
fn an_instance_is_added_changed_shown_and_removed() {
    let program = lab();
    let add = "instance add vm --project lab --endpoint vnc://127.0.0.1:5901";
    assert_eq!(program.ask(add), "vm");
    assert_snapshot!(failing(&program, add), @r"
    transom: the project already has an instance with this id
    exit 1
    ");
    let long = program
        .run_with("instance set vm --project lab --password-file - --name Kiosk", "longer than eight\n");
    assert_snapshot!(long.stderr, @"The password is longer than 8 characters. VNC authentication uses only the first 8.");
    program.ask("instance set vm --project lab --status stopped --username kiosk");
    assert_json_snapshot!(
        program.ask_json("instance show vm --project lab"),
        { ".project" => "ID", ".created_at" => "TIME", ".updated_at" => "TIME" },
        @r#"
    {
      "created_at": "TIME",
      "endpoint": "vnc://127.0.0.1:5901",
      "id": "vm",
      "import_name": null,
      "metadata": {},
      "name": "Kiosk",
      "project": "ID",
      "security": {
        "ca": false,
        "certificate": false,
        "fingerprint": null,
        "headers": false,
        "password": true,
        "username": "kiosk",
        "withheld": false
      },
      "status": "stopped",
      "updated_at": "TIME"
    }
    "#
    );
    assert_snapshot!(failing(&program, "console vm --project lab"), @r"
    transom: The machine is not running. (it is stopped)
             Start the machine, then open the console again.
    exit 1
    ");
    assert_snapshot!(failing(&program, "instance set vm --project lab"), @r"
    transom: no setting to change was given
             transom instance set --help lists the settings.
    exit 1
    ");
    program.ask("instance remove vm --project lab");
    assert_snapshot!(failing(&program, "instance show vm --project lab"), @r"
    transom: instance not found
             To list them: transom instance list --project P
    exit 1
    ");
    assert_snapshot!(failing(&program, "instance show vm --project nowhere"), @r"
    transom: project not found
             To list them: transom project list
    exit 1
    ");
}

#[test]
fn one_trailing_newline_of_a_password_file_is_not_the_passwords() {
    let program = lab();
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:5901");
    for (file, warned) in
        [("12345678\n", false), ("12345678\r\n", false), ("12345678", false), ("12345678 ", true)]
    {
        let answer = program.run_with("instance set vm --project lab --password-file -", file);
        assert_eq!((answer.code, !answer.stderr.is_empty()), (0, warned), "{file:?}: {answer:?}");
    }
    let show = |program: &Program| {
        program.ask_json("instance show vm --project lab")["security"]["password"].clone()
    };
    assert_eq!(show(&program), true);
    program.ask("instance set vm --project lab --no-password");
    assert_eq!(show(&program), false);
}

/// The file that a VNC server reads is available where an operator sets an instance's password.
#[test]
fn what_is_no_password_of_one_line_is_refused_with_what_to_do() {
    let program = lab();
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:5901");
    let set =
        |file: &str| failing(&program, &format!("instance set vm --project lab --password-file {file}"));
    let hidden = ["geheim12", "x", "longer than eight"].map(|password| {
        let path = std::path::PathBuf::from(program.file("vncpasswd", ""));
        transom_testkit::xvnc::write_password(password, &path);
        let file = path.display().to_string();
        set(&file).replace(&file, "FILE")
    });
    assert!(hidden.iter().all(|told| *told == hidden[0]), "{hidden:?}");
    assert_snapshot!(hidden[0], @r"
    transom: FILE was written by vncpasswd, which obfuscates the password. Transom cannot read such a file
             Write the plain password to a file of one line, or pipe it in (--password-file -).
    exit 1
    ");
    let file = program.file("empty", "\n");
    assert_snapshot!(set(&file).replace(&file, "FILE"), @r"
    transom: FILE contains no password
             Write the plain password to a file of one line, or pipe it in (--password-file -). To remove the current password: transom instance set ID --project P --no-password
    exit 1
    ");
    let file = program.file("lines", "geheim12\nagain\n");
    assert_snapshot!(set(&file).replace(&file, "FILE"), @r"
    transom: FILE contains more than one line
             Write the plain password to a file of one line, or pipe it in (--password-file -).
    exit 1
    ");
    let security = program.ask_json("instance show vm --project lab")["security"].clone();
    assert_eq!(security["password"], false);
}

#[test]
fn a_password_that_is_withheld_is_shown_as_such() {
    let program = lab();
    let key = program.ask_json("key add --project lab --role member");
    let word = |body: &serde_json::Value, name: &str| body[name].as_str().expect("a text").to_owned();
    let add = format!("address add --key {} --action listen", word(&key, "id"));
    let address = word(&program.ask_json(&add), "cloudAddress");
    let file = program.file("password", "geheim12\n");
    let place = format!("--project lab --endpoint cloud:{address}");
    program.ask(&format!("instance add kiosk {place} --password-file {file}"));
    let security = || {
        let shown = program.ask("instance show kiosk --project lab");
        shown.lines().find(|line| line.starts_with("security")).expect("a line").to_owned()
    };
    assert_eq!(security(), "security  password");
    let mut reset = program.command();
    reset.env("TRANSOM_TOKEN", format!("{}:{}", word(&key, "id"), word(&key, "secret")));
    reset.args(["address", "reset", &address, "--server", &format!("http://{}", program.address())]);
    let reset = Answer::of(&mut reset, "");
    assert_eq!(reset.code, 0, "{reset:?}");
    assert_eq!(
        security(),
        "security  password (withheld, because the address has received new credentials; set them again)"
    );
    program.ask(&format!("instance set kiosk --project lab --password-file {file}"));
    assert_eq!(security(), "security  password");
}

#[test]
fn request_headers_are_set_shown_and_removed() {
    let program = lab();
    let file = program.file("headers", "Authorization: Bearer hushhush\n\nX-Rack: 7\n");
    program.ask(&format!("instance add vm --project lab --endpoint ws://127.0.0.1/ --header-file {file}"));
    let security = || {
        let shown = program.ask("instance show vm --project lab");
        shown.lines().find(|line| line.starts_with("security")).expect("a line").to_owned()
    };
    assert_eq!(security(), "security  request headers");
    let set = "instance set vm --project lab --header-file";
    program.ask(&format!("{set} {}", program.file("empty", "")));
    assert_eq!(security(), "security  none");
    let answer = program.run_with(&format!("{set} - --username kiosk"), "Authorization: Bearer hushhush");
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    assert_eq!(security(), "security  user kiosk, request headers");
    let refused = |headers: &str| failing(&program, &format!("{set} {}", program.file("refused", headers)));
    assert_snapshot!(refused("Authorization: Bearer x\nhost: hushhush\n"), @r"
    transom: --header-file: line 2 must not set Host: the gateway decides about it
    exit 1
    ");
    assert_snapshot!(refused("hushhush\n"), @r"
    transom: --header-file: line 1 must be a name, a colon and a value (Name: value)
    exit 1
    ");
    assert_snapshot!(refused("\n\n"), @r"
    transom: --header-file: has only blank lines
    exit 1
    ");
    assert_snapshot!(failing(&program, &format!("{set} - --password-file -")), @r"
    transom: standard input can be read for one option only
    exit 1
    ");
    let add = format!("instance add desk --project lab --endpoint vnc://127.0.0.1 --header-file {file}");
    assert_snapshot!(failing(&program, &add), @r"
    transom: --header-file: needs an endpoint ws:// or wss://: no other receives headers
    exit 1
    ");
    let csv = "id,endpoint,headers\nkvm,wss://192.0.2.1/,\"Authorization: Bearer hushhush\nX-Rack: 7\"\n";
    program.ask(&format!("instance import {} --project lab", program.file("instances.csv", csv)));
    let json = r#"[{ "id": "bmc", "endpoint": "ws://192.0.2.1/", "headers": "X-Rack: 7\nX-Unit: 8" }]"#;
    program.ask(&format!("instance import {} --project lab", program.file("instances.json", json)));
    for id in ["kvm", "bmc"] {
        let shown = program.ask_json(&format!("instance show {id} --project lab"));
        assert_eq!(shown["security"]["headers"], true, "{shown}");
    }
    let audit = program.ask("audit");
    assert!(audit.contains("headers") && !audit.contains("hushhush"), "{audit}");
}

#[test]
fn a_certificate_that_cannot_be_read_is_told_at_once() {
    let program = lab();
    let file = program.file("ca.pem", "not a certificate");
    let add = "instance add vm --project lab --endpoint vnc://127.0.0.1";
    assert_snapshot!(failing(&program, &format!("{add} --ca {file}")), @r"
    transom: --ca: must hold PEM certificates (-----BEGIN CERTIFICATE-----)
    exit 1
    ");
    assert_snapshot!(failing(&program, &format!("{add} --fingerprint 12:34")), @r"
    transom: --fingerprint: must be the SHA-256 of a certificate: 64 hexadecimal digits (openssl x509 -fingerprint -sha256)
    exit 1
    ");
    assert_snapshot!(failing(&program, &format!("{add} --cert {file} --key {file}")), @r"
    transom: --cert: must hold PEM certificates (-----BEGIN CERTIFICATE-----)
    exit 1
    ");
    assert_snapshot!(failing(&program, &format!("{add} --ca /nowhere/ca.pem")), @r"
    transom: cannot read /nowhere/ca.pem: No such file or directory (os error 2)
    exit 1
    ");
    assert!(ids(&program).is_empty());
}

/// Replaces durations, which differ from run to run.
fn without_times(text: &str) -> String {
    let lines =
        text.lines().map(|line| match line.strip_suffix(" ms").and_then(|line| line.rsplit_once("  ")) {
            Some((step, _)) => format!("{} TIME\n", step.trim_end()),
            None => format!("{line}\n"),
        });
    lines.collect()
}

#[test]
fn a_test_prints_each_step_and_what_to_do() {
    let program = lab();
    let none = program.run("instance test --all --project lab");
    assert_eq!((none.code, &*none.stdout), (0, ""), "{none:?}");
    assert_snapshot!(none.stderr, @"There are no instances. To add one: transom instance add ID --project lab --endpoint vnc://HOST:PORT");
    // Port 1 is reserved, so a server listens there on no usual machine.
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:1");
    program.ask("instance add off --project lab --endpoint vnc://127.0.0.1:1 --status stopped");
    let refused = program.run("instance test vm --project lab");
    assert_eq!(refused.code, 1);
    assert_snapshot!(without_times(&refused.stdout), @r"
    resolve         ok TIME
    connect         failed TIME
    ");
    assert_snapshot!(without_request(&refused.stderr), @r"
    transom: vm: The machine refuses VNC connections. (127.0.0.1:1: connection refused)
             Check that the VNC server runs and listens on the endpoint's port.
    ");
    let all = program.run("instance test --all --project lab");
    assert_eq!(all.code, 1);
    assert_snapshot!(all.stdout, @r"
    ID   REASON                       MESSAGE
    off  instance-not-running         The machine is not running. (it is stopped)
    vm   instance-refused-connection  The machine refuses VNC connections. (127.0.0.1:1: connection refused)
    ");
    assert_snapshot!(all.stderr, @r"
    0 of 2 consoles open, 1 machine is not running
    transom: 1 console does not open
             transom instance test ID --project lab names the step and what to do.
    ");
    program.ask("instance remove vm --project lab");
    assert_eq!(program.run("instance test --all --project lab").code, 0, "a stopped machine is no fault");
    program.ask("instance add vm --project lab --endpoint vnc://127.0.0.1:1");
    let json = program.run("instance test --all --project lab --json");
    let tested: serde_json::Value = serde_json::from_str(&json.stdout).expect("one JSON document");
    assert_eq!(tested.as_array().map(Vec::len), Some(2), "{json:?}");
    for (words, complaint) in [
        ("instance test --project lab", "required arguments"),
        ("instance test vm --all --project lab", "cannot be used with"),
        ("instance test none --project lab", "instance not found"),
    ] {
        let answer = program.run(words);
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(answer.stderr.contains(complaint), "{answer:?}");
    }
}
