//! `transom migrate`: what a program would do to a database's schema, and whether it may run on it.

use std::process::Command;

use serde_json::json;
use transom_testkit::program::Program;

use crate::transom;

/// Settings of a server, and what runs statements behind its back.
struct House {
    program: Program,
    settings: String,
    url: Option<String>,
}

impl House {
    fn both() -> [Self; 2] {
        let url = transom_testkit::postgres::database();
        let program = transom();
        let settings = format!("--database-file {}", program.file("database", &url));
        [
            Self { program: transom(), settings: String::new(), url: None },
            Self { program, settings, url: Some(url) },
        ]
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
        assert_eq!(house.check(), fresh);
        assert!(!house.program.data().exists(), "not even the folder is made");
        house.program.ask(&format!("migrate {}", house.settings));
        let done = house.check();
        assert_eq!((&done["has"], &done["adds"]), (&fresh["knows"], &json!([])));
        let said = house.program.ask(&format!("migrate --check {}", house.settings));
        assert!(
            said.ends_with(&format!(
                "its schema has version {}, and this program adds nothing",
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
        assert!(said.ends_with("may run on it"), "{said}");
        house.sql("UPDATE schema_programs SET oldest_program = '99.1.0' WHERE version = 9999");
        for words in ["migrate --check", "migrate", "serve --listen 127.0.0.1:0"] {
            let answer = house.program.run(&format!("{words} {}", house.settings));
            assert_eq!(answer.code, 1, "{words}: {}", answer.stderr);
            let why = "version 9999 of its schema is for transom 99.1.0 and later, and this is transom 0.1.0";
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
    let answer = program.run("migrate --check --database postgres://nobody:hunter2@127.0.0.1:9/x");
    assert!(answer.code == 1 && !answer.stderr.contains("hunter2"), "{answer:?}");
    let serving = transom().serving();
    assert_eq!(serving.ask_json("migrate --check")["adds"], json!([]), "while it runs");
    let answer = serving.run("migrate");
    assert!(answer.code == 1 && answer.stderr.contains("another server uses this data folder"), "{answer:?}");
}
