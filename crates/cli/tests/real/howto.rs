//! The commands of the manual, run with the vendors' own clients.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use transom_testkit::program::{Answer, Program};
use transom_testkit::xvnc::{Security, Xvnc};

use crate::{add, lab, transom};

/// Returns the repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// Returns the commands of a numbered step of a page.
fn step_of(page: &str, step: u8) -> String {
    let manual = fs::read_to_string(root().join(page)).expect("the manual is there");
    let (_, step) = manual.split_once(&format!("\n{step}. ")).expect("the step is there");
    let (_, lines) = step.split_once("\n   ```\n").expect("it has something to type");
    lines.split_once("\n   ```").expect("which ends").0.to_owned()
}

/// A server as the manual's examples assume it, and a key.
struct Desk {
    program: Program,
    key: Value,
    _screen: Xvnc,
}

impl Desk {
    fn set() -> Self {
        let screen = Xvnc::start(Security::None);
        let program = lab(transom().with(["--self-signed"]));
        add(&program, "web-1", &screen.endpoint(), "");
        let key = program.ask_json("key add --project lab");
        let ca =
            fs::read_to_string(program.data().join("ca.pem")).expect("the authority is in the data folder");
        let _ = program.file("ca.pem", &ca);
        let desk = Self { program, key, _screen: screen };
        let _ = desk.program.file("clouds.yaml", &desk.example("openstack, with clouds.yaml", "yaml"));
        desk
    }

    /// Returns the manual's example under this heading, adapted to this server and this key.
    fn example(&self, heading: &str, language: &str) -> String {
        let example = self.example_of("docs/API.md", heading, language);
        assert!(example.lines().count() <= 10, "{heading}: ten lines are enough");
        example
    }

    /// Returns the same of another page.
    fn example_of(&self, page: &str, heading: &str, language: &str) -> String {
        let manual = fs::read_to_string(root().join(page)).expect("the manual is there");
        let (_, section) = manual.split_once(&format!("\n### {heading}\n")).expect("the heading is there");
        let (_, example) = section.split_once(&format!("\n```{language}\n")).expect("it has an example");
        let (example, _) = example.split_once("\n```").expect("the example ends");
        example
            .replace("console.example.com", self.program.address())
            .replace("takXXXXXXXX", self.key["id"].as_str().expect("an id"))
            .replace("SECRET", self.key["secret"].as_str().expect("a secret"))
    }

    /// Runs a script in a shell that finds the clients and the program under test.
    fn type_in(&self, script: &str) -> Answer {
        let clients = root().join("target/clients/openstack/bin");
        let program = Path::new(env!("CARGO_BIN_EXE_transom")).parent().expect("it is in a folder");
        let answer = self.program.paste(&format!(
            "set -e\nexport PATH={}:{}:$PATH TRANSOM_DATA={} NO_PROXY=127.0.0.1\n{script}",
            clients.display(),
            program.display(),
            self.program.data().display()
        ));
        assert_eq!(answer.code, 0, "{script}\n{}\n{}", answer.stdout, answer.stderr);
        answer
    }

    /// Expects this many console URLs in the answer.
    fn urls(&self, answer: &Answer, count: usize) {
        let begin = format!("https://{}/", self.program.address());
        let found = answer.stdout.matches(&begin).count();
        assert_eq!(found, count, "{}", answer.stdout);
    }
}

#[test]
fn the_manuals_lines_for_zenlayers_sdk_print_a_url() {
    let desk = Desk::set();
    let file = desk.program.file("example.py", &desk.example("Zenlayer's SDK for Python", "python"));
    let python = root().join("target/clients/zenlayer/bin/python");
    desk.urls(&desk.type_in(&format!("{} {file}", python.display())), 1);
}

#[test]
fn the_manuals_lines_that_sign_by_themselves_print_a_url() {
    let desk = Desk::set();
    let example = desk.example_of("docs/dialects/zenlayer.md", "Sign it yourself", "python");
    let file = desk.program.file("sign.py", &example);
    desk.urls(&desk.type_in(&format!("python3 {file}")), 1);
}

#[test]
fn the_manuals_lines_for_openstack_and_rackspace_print_urls() {
    let desk = Desk::set();
    desk.urls(&desk.type_in("openstack --os-cloud transom console url show web-1"), 1);
    desk.urls(&desk.type_in(&desk.example("Rackspace's plugin", "sh")), 1);
    desk.urls(&desk.type_in(&desk.example("openstack without an identity service", "sh")), 2);
}

#[test]
fn the_manuals_lines_for_nova_print_urls() {
    let desk = Desk::set();
    desk.urls(&desk.type_in(&desk.example("nova", "sh")), 2);
}

#[test]
fn the_manuals_lines_for_the_java_viewer_show_the_screen() {
    let desk = Desk::set();
    // The original viewer is not available any more, and ours does the same.
    let viewer = root().join("tests/clients/java/Viewer.java");
    let theirs = "-jar VncViewer.jar URL";
    let example = desk.example("The Java viewer", "sh");
    assert!(example.contains(theirs));
    let seen = desk.type_in(&example.replace(theirs, &viewer.display().to_string()));
    assert!(seen.stdout.contains("640x480"), "{}", seen.stdout);
}

#[test]
fn the_manuals_first_step_for_devices_makes_two_addresses_on_a_new_server() {
    let program = transom().serving();
    let mut key = Value::Null;
    let mut made = Vec::new();
    for line in step_of("docs/DEVICES.md", 1).lines() {
        let words = line.trim().strip_prefix("transom ").expect("a command of ours");
        let answer = program.ask(&words.replace("KEY", key["id"].as_str().unwrap_or("KEY")));
        match words.split(' ').next() {
            Some("key") => key = serde_json::from_str(&answer).expect("one JSON document"),
            Some("address") => made.push(serde_json::from_str::<Value>(&answer).expect("one JSON document")),
            _ => {}
        }
    }
    assert_eq!(made.len(), 2);
    for address in made {
        assert!(address["cloudAddress"].is_string() && address["cloudPassword"].is_string(), "{address}");
    }
}
