//! Options that a command has no use for are refused on its command line; `--json` works for the
//! demo as well.

use insta::assert_snapshot;
use serde_json::Value;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Answer;

use crate::{failing, transom};

#[test]
fn an_option_that_would_be_ignored_is_refused_with_what_to_do_instead() {
    let program = transom();
    let behind = failing(&program, "demo --no-open --data /tmp/mine");
    assert_snapshot!(behind, @r"
    error: --data does not apply to transom demo: it uses a temporary folder. To keep the data, run transom serve

    Usage: transom [OPTIONS] <COMMAND>

    For more information, try '--help'.
    exit 1
    ");
    assert_eq!(failing(&program, "--data /tmp/mine demo --no-open"), behind);
    for (words, why) in [
        ("serve --server http://127.0.0.1:1", "this is the server"),
        ("demo --server http://127.0.0.1:1", "its own server"),
        ("migrate --check --server http://127.0.0.1:1", "on the database"),
    ] {
        let said = failing(&program, words);
        assert!(
            said.starts_with("error: --server does not apply to transom ") && said.contains(why),
            "{said}"
        );
    }
    for command in ["demo", "serve", "migrate"] {
        let help = program.ask(&format!("{command} --help"));
        assert!(!help.contains("--server"), "{help}");
        assert_eq!(help.contains("--data"), command != "demo", "{help}");
    }
}

#[test]
fn the_demo_answers_one_document_with_json() {
    let program = transom();
    let mut command = program.command();
    // The environment's value is for other commands.
    command.env("TRANSOM_SERVER", "http://127.0.0.1:1");
    command.args(["demo", "--no-open", "--json", "--listen", "127.0.0.1:0"]);
    let mut demo = Process::start("transom demo", &mut command);
    let told = demo.stdout().find(PATIENCE, |text| serde_json::from_str::<Value>(text).ok());
    let told = told.expect("one JSON document");
    let (data, server) = (told["data"].as_str().expect("a folder"), told["server"].as_str().expect("a URL"));
    assert!(told["console"]["url"].as_str().is_some_and(|url| url.starts_with(server)), "{told}");
    let proof = format!(
        "{}:{}",
        told["key"]["id"].as_str().expect("an id"),
        told["key"]["secret"].as_str().expect("one")
    );
    let words = ["console", "demo", "--project", "demo", "--data", data];
    let answer = Answer::of(program.command().args(words).env("TRANSOM_TOKEN", proof), "");
    assert!(answer.stdout.contains("/console#token="), "{answer:?}");
    demo.terminate();
    assert_eq!(demo.wait(PATIENCE).code(), Some(0));
}
