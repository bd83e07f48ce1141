//! `transom migrate`: the changes that a program would make to a database's schema, and whether it
//! may run on it.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::json;
use transom_testkit::program::Program;

use crate::{failing, transom};

/// Creates an empty file that only this user can read.
fn empty(path: &Path) {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).expect("a file");
}

/// A server's settings and its database.
struct House {
    program: Program,
    settings: String,
    url: Option<String>,
}

impl House {
    /// Returns a stage on each database. Each has its own data folder, and the database is empty.
    fn both() -> [Self; 2] {
        let url = transom_testkit::postgres::database();
        let program = transom();
        let settings = format!("--database-file {}", program.file("database", &url));
        let houses = [
            Self { program: transom(), settings: String::new(), url: None },
            Self { program, settings, url: Some(url) },
        ];
        for house in &houses {
            let folder = house.program.data();
            DirBuilder::new().mode(0o700).create(&folder).expect("a data folder");
            if house.url.is_none() {
                empty(&folder.join("transom.db"));
            }
        }
        houses
    }

    /// Returns the files in the data folder.
    fn files(&self) -> Vec<OsString> {
        let files = fs::read_dir(self.program.data()).expect("a folder");
        let mut names: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
        names.sort();
        names
    }

    fn check(&self) -> serde_json::Value {
        self.program.ask_json(&format!("migrate --check {}", self.settings))
    }

    fn sql(&self, text: &str) {
        const SQLITE: &str =
            "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db: db.executescript(sys.argv[2])";
        let mut command = match &self.url {
            None => Command::new("python3"),
            Some(_) => Command::new("psql"),
        };
        match &self.url {
            None => command.args(["-c", SQLITE]).arg(self.program.data().join("transom.db")),
            Some(url) => command.args([url, "-c"]),
        };
        let done = command.arg(text).output().expect("it is installed");
        assert!(done.status.success(), "{done:?}");
    }
}

#[test]
fn what_would_happen_is_told_beforehand_and_changes_nothing() {
    for house in House::both() {
        let fresh = house.check();
        assert_eq!((&fresh["has"], &fresh["program"]), (&json!(null), &json!(env!("CARGO_PKG_VERSION"))));
        let adds = fresh["adds"].as_array().expect("a list").clone();
        assert_eq!(adds[0], json!({ "version": 1, "name": "foundation" }));
        assert_eq!(adds.last().expect("some")["version"], fresh["knows"]);
        let before = house.files();
        assert_eq!(house.check(), fresh);
        assert_eq!(house.files(), before, "no file is created");
        house.program.ask(&format!("migrate {}", house.settings));
        let done = house.check();
        assert_eq!((&done["has"], &done["adds"]), (&fresh["knows"], &json!([])));
        let said = house.program.ask(&format!("migrate --check {}", house.settings));
        assert!(
            said.ends_with(&format!(
                "its schema has version {}; this program changes nothing",
                fresh["knows"]
            )),
            "{said}"
        );
    }
}

#[test]
fn a_program_that_a_newer_schema_does_not_admit_is_told_so_before_it_is_started() {
    for house in House::both() {
        house.program.ask(&format!("migrate {}", house.settings));
        house.sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (9999, 'later', TRUE, '', 0); INSERT INTO schema_programs VALUES (9999, '0.1.0')",
        );
        assert_eq!(house.check()["has"], 9999);
        let said = house.program.ask(&format!("migrate --check {}", house.settings));
        assert!(said.ends_with("can run on it"), "{said}");
        house.sql("UPDATE schema_programs SET oldest_program = '99.1.0' WHERE version = 9999");
        for words in ["migrate --check", "migrate", "serve --listen 127.0.0.1:0"] {
            let answer = house.program.run(&format!("{words} {}", house.settings));
            assert_eq!(answer.code, 1, "{words}: {}", answer.stderr);
            let why =
                "version 9999 of its schema requires transom 99.1.0 or later, but this is transom 0.1.0";
            assert!(answer.stderr.contains(why), "{words}: {}", answer.stderr);
        }
    }
}

#[test]
fn a_wrong_configuration_and_a_database_that_is_out_of_reach_are_told() {
    let program = transom();
    let config = program.file("transom.toml", "[nothing]\n");
    let answer = program.run(&format!("migrate --check --config {config}"));
    assert!(answer.code == 1 && answer.stderr.contains("nothing"), "{answer:?}");
    let serving = transom().serving();
    assert_eq!(serving.ask_json("migrate --check")["adds"], json!([]), "while it runs");
    let answer = serving.run("migrate --check --database postgres://nobody:hunter2@127.0.0.1:9/x");
    assert!(answer.code == 1 && !answer.stderr.contains("hunter2"), "{answer:?}");
    assert!(answer.stderr.contains("Check that PostgreSQL is running there"), "{answer:?}");
    assert_snapshot!(failing(&serving, "migrate"), @r"
    transom: a server is using DATA: it updated the database's schema when it started
             To update it, start the server again with this program. To see the changes first: transom migrate --check
    exit 1
    ");
}

#[test]
fn a_mistyped_folder_is_told_and_neither_made_nor_filled() {
    let program = transom();
    for (words, why) in [
        ("migrate --check", "there is no data folder DATA: No such file or directory"),
        ("migrate", "there is no database DATA/transom.db"),
    ] {
        let said = failing(&program, words);
        assert!(said.starts_with(&format!("transom: {why}")), "{words}: {said}");
        assert!(!program.data().exists(), "{words} made the folder");
    }
    DirBuilder::new().mode(0o700).create(program.data()).expect("a folder");
    for words in ["migrate --check", "migrate"] {
        let said = failing(&program, words);
        assert!(said.starts_with("transom: there is no database DATA/transom.db"), "{words}: {said}");
        assert_eq!(fs::read_dir(program.data()).expect("a folder").count(), 0, "{words} made a file");
    }
    let file = program.file("database", &transom_testkit::postgres::database());
    fs::remove_dir(program.data()).expect("an empty folder");
    let said = failing(&program, &format!("migrate --check --database-file {file}"));
    assert!(said.starts_with("transom: there is no data folder DATA: "), "{said}");
    // This is for deployments by a job without a data folder.
    program.ask(&format!("migrate --database-file {file}"));
    assert!(!program.data().exists(), "it needs no folder");
}

#[test]
fn every_file_that_a_configuration_names_and_that_is_not_there_is_told_by_its_key() {
    let program = transom().serving();
    let config = program.file(
        "transom.toml",
        "[http.tls]\ncert = \"/nowhere/cert.pem\"\nkey = \"/nowhere/key.pem\"\n\
         [openstack]\nnova_url = \"https://nova.example:8774/v2.1\"\nnova_targets = [\"10.0.0.0/8\"]\n\
         [openstack.nova_vencrypt]\nca = \"/nowhere/ca.pem\"\n\
         client = { cert = \"/nowhere/client.pem\", key = \"/nowhere/client.key\" }\n\
         [openstack.admin]\nauth_url = \"https://keystone.example/v3\"\napplication_credential_id = \"a\"\n\
         secret_file = \"/nowhere/secret\"\nca_file = \"/nowhere/cloud.pem\"\n",
    );
    assert_snapshot!(failing(&program, &format!("migrate --check --config {config}")), @r"
    transom: http.tls.cert: cannot read /nowhere/cert.pem: No such file or directory (os error 2)
    transom: http.tls.key: cannot read /nowhere/key.pem: No such file or directory (os error 2)
    transom: openstack.nova_vencrypt.ca: cannot read /nowhere/ca.pem: No such file or directory (os error 2)
    transom: openstack.nova_vencrypt.client.cert: cannot read /nowhere/client.pem: No such file or directory (os error 2)
    transom: openstack.nova_vencrypt.client.key: cannot read /nowhere/client.key: No such file or directory (os error 2)
    transom: openstack.admin.secret_file: cannot read /nowhere/secret: No such file or directory (os error 2)
    transom: openstack.admin.ca_file: cannot read /nowhere/cloud.pem: No such file or directory (os error 2)
    transom: a server with these settings does not start; nothing was changed
    exit 1
    ");
    let answer = program.run(&format!("migrate --check --config {config} --json"));
    let told: serde_json::Value = serde_json::from_str(&answer.stdout).expect("one JSON document");
    assert_eq!(told["error"]["lacks"].as_array().map(Vec::len), Some(7), "{told}");
    // An existing file must have the content that its option names.
    let text = program.file("cert.pem", "no certificate");
    let config = program.file("transom.toml", &format!("[http.tls]\ncert = \"{text}\"\nkey = \"{text}\"\n"));
    let said = failing(&program, &format!("migrate --check --config {config}"));
    assert!(said.contains("cert.pem: ") && said.contains("does not start"), "{said}");
    let said = failing(&program, "migrate --check --master-key-file /nowhere/key");
    assert!(said.starts_with("transom: cannot read the master key /nowhere/key"), "{said}");
}
