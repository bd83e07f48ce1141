//! Enrollment with the built program: tokens by the operator, `transom agent --enroll` on the
//! device.

use std::path::{Path, PathBuf};

use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::{Program, is_private};

use crate::{failing, lab};

struct Device<'a> {
    program: &'a Program,
    folder: PathBuf,
}

impl Device<'_> {
    fn start(&self, token: &str) -> Process {
        let mut agent = self.program.command();
        agent.args(["agent", "--server", &format!("http://{}", self.program.address()), "--data"]);
        agent.arg(&self.folder).args(["--enroll", token, "--to", "127.0.0.1:5900"]);
        Process::start("transom agent", &mut agent)
    }

    fn online(&self, token: &str) -> Process {
        let agent = self.start(token);
        agent.stderr().expect("Online\n", PATIENCE);
        agent
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join("device").join(name)
    }

    fn address(&self) -> String {
        read(&self.file("cloud-address"))
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("it was saved").trim_end().to_owned()
}

#[test]
fn a_device_enrols_once_runs_ever_after_and_loses_nothing_by_a_crash() {
    let program = lab();
    let key = program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned();
    let made = program.run(&format!("enrollment add --key {key} --count 2 --allow-group staff --ttl 1h"));
    let tokens: Vec<_> = made.stdout.lines().collect();
    assert_eq!(tokens.len(), 2, "{made:?}");
    assert!(made.stderr.starts_with("Each token works once, until 2"), "{made:?}");
    let device = |name: &str| Device { program: &program, folder: program.data().with_file_name(name) };
    let first = device("first");
    let mut agent = first.online(tokens[0]);
    let address = first.address();
    agent.stderr().expect(&format!("Enrolled as {address}\n"), PATIENCE);
    for name in ["cloud-address", "cloud-password", "endpoint.key"] {
        assert!(is_private(&first.file(name)), "{name}");
    }
    let online = program.ask_json("address list --online");
    assert_eq!(
        (online[0]["address"].as_str(), online[0]["allow_groups"][0].as_str()),
        (Some(&*address), Some("staff"))
    );

    // Another device with the same token gets no address, and is told what to do.
    let mut thief = device("thief").start(tokens[0]);
    assert_eq!(thief.wait(PATIENCE).code(), Some(10));
    let said = thief.stderr().text();
    assert!(
        said.contains("transom: CloudAuthenticationFailed: ") && said.contains("used by another device"),
        "{said}"
    );
    assert!(said.contains("transom enrollment add --key ID"), "{said}");

    // The same command again continues with the address that it has.
    agent.terminate();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
    let again = first.online(tokens[0]);
    assert!(!again.stderr().text().contains("Enrolled"), "it has its address");
    drop(again);

    // If power fails after the server has created the address and before the device has saved it,
    // the device gets the same one.
    std::fs::remove_file(first.file("cloud-address")).expect("it was saved");
    let recovered = first.online(tokens[0]);
    assert_eq!(first.address(), address);
    drop(recovered);
    assert_eq!(program.ask_json("address list").as_array().map(Vec::len), Some(1));

    // The second token is still open, until it is revoked.
    let open = program.ask_json(&format!("enrollment list --key {key}"));
    let open: Vec<_> =
        open.as_array().expect("a list").iter().filter(|one| one["address"].is_null()).collect();
    let id = open[0]["id"].as_str().expect("an id");
    program.ask(&format!("enrollment revoke {id}"));
    let mut late = device("late").start(tokens[1]);
    assert_eq!(late.wait(PATIENCE).code(), Some(10));
    insta::assert_snapshot!(failing(&program, &format!("enrollment revoke {id}")), @r"
    transom: unused enrollment not found
    exit 1
    ");
}

#[test]
fn a_device_whose_address_is_gone_enrols_anew_by_another_token_and_by_no_other_way() {
    let program = lab();
    let key = program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned();
    let tokens = program.ask(&format!("enrollment add --key {key} --count 3"));
    let tokens: Vec<_> = tokens.lines().collect();
    let device = Device { program: &program, folder: program.data().with_file_name("device") };
    drop(device.online(tokens[0]));
    let first = device.address();
    // While its address is valid, another token changes no file and is not spent.
    let mut agent = device.online(tokens[1]);
    assert_eq!(device.address(), first);
    // The operator removes its address while it runs, so the token that it has creates another one.
    program.ask(&format!("address remove {first}"));
    agent.stderr().expect(
        &format!("The server no longer accepts {first}. Enrolling again with the new token."),
        PATIENCE,
    );
    agent.stderr().expect("Enrolled as ", PATIENCE);
    let back = agent.stderr().find(PATIENCE, |text| text.matches("Online\n").nth(1).map(drop));
    assert!(back.is_some(), "{}", agent.stderr().text());
    let second = device.address();
    assert_ne!(first, second);
    agent.terminate();
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
    // The token that created it is used up, and the error says so.
    program.ask(&format!("address reset {second}"));
    let mut refused = device.start(tokens[1]);
    assert_eq!(refused.wait(PATIENCE).code(), Some(10));
    let next = format!(
        "\n         The server no longer accepts {second}, this device's address: it was removed, or its password \
         was reset. Create another enrollment token: transom enrollment add --key ID\n"
    );
    assert!(refused.stderr().text().ends_with(&next), "{}", refused.stderr().text());
    drop(device.online(tokens[2]));
    assert_ne!(device.address(), second);
}

#[test]
fn an_agent_needs_an_address_or_a_token_and_waits_for_a_server_that_is_not_there_yet() {
    let mut program = lab();
    let neither = program.run(&format!("agent --server http://{} --to 127.0.0.1:5900", program.address()));
    let why = "this device has no address yet, and neither an enrollment token nor an address was given";
    assert!(neither.code == 1 && neither.stderr.contains(why), "{neither:?}");
    for typed in ["--enroll TOKEN (to create one: transom enrollment add", "--address A --password-file FILE"]
    {
        assert!(neither.stderr.contains(typed), "{neither:?}");
    }
    let key = program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned();
    let token = program.ask(&format!("enrollment add --key {key}"));
    program.terminate(PATIENCE);
    let folder = program.data().with_file_name("early");
    let mut agent = program.command();
    agent.args(["agent", "--server", &format!("http://{}", program.address()), "--data"]);
    agent.arg(folder).args(["--enroll", &token, "--to", "127.0.0.1:5900"]);
    let agent = Process::start("transom agent", &mut agent);
    agent.stderr().expect("Retrying in ", PATIENCE);
    program.serve();
    agent.stderr().expect("Online\n", PATIENCE);
}

/// Returns the id of the lab's key.
fn key(program: &Program) -> String {
    program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned()
}

#[test]
fn devices_are_enrolled_by_a_file_of_their_names_and_found_by_these() {
    let program = lab();
    let key = key(&program);
    let names = program.file("names", "Lobby 1\n\n  Roof, \"north\"  \nLobby 2\n");
    let made = program.run(&format!("enrollment add --key {key} --names {names} --allow-group staff"));
    assert_eq!(made.code, 0, "{made:?}");
    let lines: Vec<_> = made.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{made:?}");
    assert_eq!(lines[0], "name,id,token");
    assert!(lines[2].starts_with("\"Roof, \"\"north\"\"\","), "{}", lines[2]);
    let listed = program.ask("enrollment list");
    let listed: Vec<_> = listed.lines().collect();
    assert!(listed[0].starts_with("NAME") && listed[1].starts_with("Lobby 1 "), "{listed:?}");
    let fields: Vec<_> = lines[1].split(',').collect();
    let lobby = Device { program: &program, folder: program.data().with_file_name("lobby") };
    let agent = lobby.online(fields[2]);
    let found = program.ask_json("address list --name lobby --group staff --online");
    assert_eq!((found.as_array().map(Vec::len), found[0]["name"].as_str()), (Some(1), Some("Lobby 1")));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let shown = program.ask(&format!("address show {}", lobby.address()));
    let told = |name: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start().to_owned()
    };
    assert_eq!(told("name"), "Lobby 1", "{shown}");
    assert_eq!(told("host"), host, "{shown}");
    assert_eq!(
        (told("source"), told("targets")),
        ("127.0.0.1".to_owned(), "127.0.0.1:5900".to_owned()),
        "{shown}"
    );
    assert!(told("presence").starts_with("online since 20") && told("its key").len() == 64, "{shown}");
    drop(agent);
    program.ask(&format!("address set {} --name Foyer", lobby.address()));
    let table = program.ask("address list");
    assert!(table.lines().nth(1).is_some_and(|line| line.starts_with("Foyer ")), "{table}");
    program.ask(&format!("enrollment revoke {}", lines[3].split(',').nth(1).expect("an id")));
    // The errors for typos.
    let empty = program.file("empty", "\n");
    insta::assert_snapshot!(failing(&program, &format!("enrollment add --key {key} --names {empty}")), @r"
    transom: the file has no names
             The file has one name per line.
    exit 1
    ");
    let both = program.run(&format!("enrollment add --key {key} --names {empty} --count 2"));
    assert_eq!(both.code, 1, "{both:?}");
    let as_named = program.ask_json(&format!("address add --key {key} --action listen --name Attic"));
    let attic =
        program.ask_json(&format!("address show {}", as_named["cloudAddress"].as_str().expect("one")));
    assert_eq!(attic["name"], "Attic");
}

#[test]
fn a_panel_is_replaced_by_a_token_for_its_place() {
    let program = lab();
    let key = key(&program);
    let old = Device { program: &program, folder: program.data().with_file_name("old") };
    let mut broken = old.online(&program.ask(&format!("enrollment add --key {key} --name Lobby")));
    let address = old.address();
    let token = program.ask(&format!("enrollment add --replace {address}"));
    assert!(program.ask("enrollment list").contains(&format!("replaces {address}")));
    let new = Device { program: &program, folder: program.data().with_file_name("new") };
    let _panel = new.online(&token);
    assert_eq!(new.address(), address);
    assert_eq!(broken.wait(PATIENCE).code(), Some(10), "{}", broken.stderr().text());
    let shown = program.ask_json(&format!("address show {address}"));
    assert_eq!((shown["name"].as_str(), shown["online"].as_bool()), (Some("Lobby"), Some(true)));
    assert_eq!(program.ask_json("address list").as_array().map(Vec::len), Some(1));
    // The key was accepted when the device joined, and accepting it again is harmless.
    let accepted = program.run(&format!("address accept-key {address}"));
    assert!(
        accepted.code == 0 && accepted.stderr.contains(shown["device_key"].as_str().expect("a key")),
        "{accepted:?}"
    );
}
