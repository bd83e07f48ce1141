//! Cloud addresses: issued, listed, changed, reset, moved, removed; and the errors for typos.

use insta::assert_snapshot;
use serde_json::{Value, json};
use transom_model::access_key::AccessKeyId;
use transom_testkit::program::{Answer, Program};

use crate::{complaint, failing, lab};

struct Fleet {
    program: Program,
    key: String,
}

impl Fleet {
    fn set() -> Self {
        let program = lab();
        let key = text(&program.ask_json("key add --project lab"), "id");
        Self { program, key }
    }

    fn add(&self, words: &str) -> (String, String) {
        let made = self.program.ask_json(&format!("address add --key {} {words}", self.key));
        assert_eq!(made.as_object().expect("an object").len(), 2, "{made}");
        (text(&made, "cloudAddress"), text(&made, "cloudPassword"))
    }

    fn show(&self, address: &str) -> Value {
        self.program.ask_json(&format!("address show {address}"))
    }

    /// Returns the output of a failing command, without the parts that differ from run to run.
    fn failing(&self, words: &str) -> String {
        failing(&self.program, words)
    }

    fn addresses(&self, words: &str) -> Vec<String> {
        let list = self.program.ask_json(&format!("address list {words}"));
        list.as_array().expect("a list").iter().map(|address| text(address, "address")).collect()
    }

    /// Runs a command whose arguments may be empty.
    fn run(&self, words: &[&str]) -> Answer {
        Answer::of(self.program.command().args(words), "")
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().expect("a text").to_owned()
}

/// Returns the members that `address set` may change, and those that it must not.
fn reach(address: &Value) -> Value {
    json!([address["action"], address["groups"], address["allow_groups"], address["allow_addresses"]])
}

#[test]
fn an_address_is_issued_shown_listed_and_removed() {
    let fleet = Fleet::set();
    let (desk, password) = fleet.add("--action connect --group staff --group night");
    assert_eq!((desk.split('.').count(), password.len()), (4, 20));
    let (kiosk, _) = fleet.add(&format!("--action listen --allow-group staff --allow-address {desk}"));
    let (open, _) = fleet.add("--action listen");
    assert_eq!(reach(&fleet.show(&desk)), json!(["connect", ["staff", "night"], [], []]));
    assert_eq!(reach(&fleet.show(&kiosk)), json!(["listen", [], ["staff"], [desk]]));
    assert_eq!(fleet.show(&open)["open_to_key"], true);
    let page = fleet.program.ask(&format!("address show {kiosk}"));
    assert!(page.contains("presence  offline, never seen\nagent     never joined\n"), "{page}");
    assert!(page.contains("allows    staff\n"), "{page}");
    let mut all = vec![desk.clone(), kiosk.clone(), open];
    all.sort();
    assert_eq!(fleet.addresses(""), all);
    assert_eq!(fleet.addresses(&format!("--project lab --key {}", fleet.key)), all);
    assert!(fleet.addresses("--online").is_empty(), "no device has joined");
    let table = fleet.program.ask("address list");
    assert_eq!(table.lines().next().map(|head| head.split_whitespace().count()), Some(10), "{table}");
    assert!(table.contains(" listen   offline  never "), "{table}");
    fleet.program.ask(&format!("address remove {kiosk}"));
    assert!(!fleet.addresses("").contains(&kiosk));
    assert_snapshot!(fleet.failing(&format!("address show {kiosk}")), @r"
    transom: cloud address not found
             To list them: transom address list
    exit 1
    ");
    assert_snapshot!(fleet.failing(&format!("address remove {kiosk}")), @r"
    transom: cloud address not found
             To list them: transom address list
    exit 1
    ");
}

/// A group's name may contain any character, so a name that a project chose must not control the
/// operator's terminal.
#[test]
fn characters_that_control_a_terminal_are_escaped() {
    let fleet = Fleet::set();
    let (kiosk, _) = fleet.add("--action listen");
    let group = "a\u{1b}[2Jb\u{202e}c";
    let set = fleet.run(&["address", "set", &kiosk, "--allow-group", group]);
    assert_eq!(set.code, 0, "{set:?}");
    let shown = fleet.program.run(&format!("address show {kiosk}"));
    assert!(shown.stdout.contains("a\\u{1b}[2Jb\\u{202e}c"), "{shown:?}");
    assert!(!shown.stdout.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    assert_eq!(fleet.show(&kiosk)["allow_groups"], json!([group]), "for programs, it is what it is");
}

#[test]
fn set_changes_only_what_is_named() {
    let fleet = Fleet::set();
    let (desk, _) = fleet.add("--action connect --group staff");
    let (kiosk, _) = fleet.add(&format!("--action listen --allow-group staff --allow-address {desk}"));
    let set = |words: &[&str]| {
        let answer = fleet.run(&[&["address", "set", &kiosk], words].concat());
        assert_eq!((answer.code, &*answer.stdout), (0, ""), "{answer:?}");
        (reach(&fleet.show(&kiosk)), answer.stderr)
    };
    let version = fleet.show(&kiosk)["version"].as_u64().expect("a version");
    let (changed, said) = set(&["--allow-group", "night", "--allow-group", "day"]);
    assert_eq!(changed, json!(["listen", [], ["night", "day"], [desk]]));
    assert_eq!(said, "");
    assert_eq!(fleet.show(&kiosk)["version"], version + 1);
    assert_eq!(set(&["--allow-address", ""]).0, json!(["listen", [], ["night", "day"], []]));
    // Without options, the command changes no member.
    assert_snapshot!(fleet.failing(&format!("address set {kiosk}")), @r"
    transom: no setting to change was given
             transom address set --help lists the settings.
    exit 1
    ");
    // Removing the last restriction opens the address, and the command says so.
    let (open, said) = set(&["--allow-group", ""]);
    assert_eq!(open, json!(["listen", [], [], []]));
    assert_eq!(said, "Every connect address of its key may now connect.\n");
    // The other action has its own lists.
    assert_eq!(set(&["--action", "connect", "--group", "staff"]).0, json!(["connect", ["staff"], [], []]));
    let misplaced = fleet.run(&["address", "set", &kiosk, "--allow-group", "staff"]);
    assert_snapshot!(complaint(&fleet.program, &misplaced), @r"
    transom: groups belong to a connect address, and access control to a listen address
    exit 1
    ");
    assert_eq!(reach(&fleet.show(&kiosk)), json!(["connect", ["staff"], [], []]));
}

#[test]
fn a_reset_shows_a_new_password_and_a_move_leaves_it_alone() {
    let fleet = Fleet::set();
    let (kiosk, first) = fleet.add("--action listen");
    let reset = fleet.program.ask_json(&format!("address reset {kiosk}"));
    assert_eq!(text(&reset, "cloudAddress"), kiosk);
    assert_ne!(text(&reset, "cloudPassword"), first);
    let shown = fleet.program.run(&format!("address reset {kiosk}"));
    assert!(shown.stdout.starts_with(&format!("address  {kiosk}\npassword ")), "{shown:?}");
    assert_eq!(shown.stderr, "Save the password now. It is not shown again.\n");
    let other = text(&fleet.program.ask_json("key add --project lab"), "id");
    assert_eq!(fleet.program.ask(&format!("address move {kiosk} --to-key {other}")), "");
    assert_eq!(text(&fleet.show(&kiosk), "key"), other);
    assert_eq!(fleet.addresses(&format!("--key {other}")), [kiosk]);
}

#[test]
fn a_typo_is_told_and_changes_nothing() {
    let fleet = Fleet::set();
    let (kiosk, _) = fleet.add("--action listen");
    let mistyped = fleet.key.replace(&fleet.key[fleet.key.len() - 2..], "11");
    assert_snapshot!(fleet.failing(&format!("address add --key {mistyped} --action listen")), @r"
    transom: the access key id has a typo (its checksum does not match), so the key was not found
    exit 1
    ");
    let unknown = AccessKeyId::from_random([7; 22]);
    assert_snapshot!(fleet.failing(&format!("address add --key {unknown} --action listen")), @r"
    transom: access key not found
             To list them: transom key list
    exit 1
    ");
    assert_snapshot!(fleet.failing(&format!("address add --key {} --action view", fleet.key)), @r"
    error: invalid value 'view' for '--action <ACTION>': action must be connect or listen

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(fleet.failing(&format!("address add --key {} --action listen --group staff", fleet.key)), @r"
    transom: address: groups belong to a connect address, and access control to a listen address
    exit 1
    ");
    assert_snapshot!(fleet.failing(&format!("address set {kiosk} --allow-address kiosk")), @r"
    transom: --allow-address: cloud address must be four parts of 16 to 24 letters and digits, separated by dots
    exit 1
    ");
    assert_snapshot!(fleet.failing("address show kiosk"), @r"
    error: invalid value 'kiosk' for '<ADDRESS>': cloud address must be four parts of 16 to 24 letters and digits, separated by dots

    For more information, try '--help'.
    exit 1
    ");
    assert_snapshot!(fleet.failing(&format!("address move {kiosk} --to-key {unknown}")), @r"
    transom: access key not found
             To list them: transom key list
    exit 1
    ");
    assert_snapshot!(fleet.failing("address list --project office"), @r"
    transom: project not found
             To list them: transom project list
    exit 1
    ");
    assert_snapshot!(fleet.failing("address list --key nobody"), @r"
    transom: the access key id must begin with tak
    exit 1
    ");
    assert_eq!(fleet.addresses(""), std::slice::from_ref(&kiosk));
    assert_eq!(fleet.show(&kiosk)["version"], 1);
}
