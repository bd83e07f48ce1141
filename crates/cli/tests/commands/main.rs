//! The command line as a contract: its output, where it goes, and its exit codes.

mod addresses;
mod bodies;
mod enrollment;
mod folders;
mod help;
mod idle;
mod imports;
mod instances;
mod keys;
mod live;
mod local_faults;
mod migrate;
mod process_list;
mod replacement;
mod serve;
mod trail;
mod unit;

use std::path::PathBuf;

use transom_testkit::program::{Answer, Program};

/// Returns the program under test.
fn transom() -> Program {
    Program::at(env!("CARGO_BIN_EXE_transom"))
}

/// Returns a server with the project `lab`.
fn lab() -> Program {
    let program = transom().serving();
    program.ask("project add lab");
    program
}

/// Returns the error of a failed command, without the parts that differ from run to run: ids,
/// times, paths.
fn complaint(program: &Program, answer: &Answer) -> String {
    assert_eq!(answer.stdout, "", "a failure prints to stdout: {answer:?}");
    let text = answer.stderr.replace(&program.data().display().to_string(), "DATA");
    // Usage lines name the options that the environment sets.
    let text = text.replace(program.address(), "ADDRESS").replace(" --data <DIR>", "");
    format!("{}exit {}", without_request(&text), answer.code)
}

fn without_request(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(" (request req-") {
        Some((sentence, _)) => sentence.to_owned() + "\n",
        None => line.to_owned() + "\n",
    });
    lines.collect()
}

/// Runs a command that must fail, and returns its error.
fn failing(program: &Program, words: &str) -> String {
    complaint(program, &program.run(words))
}

/// Returns a path that does not exist.
fn nowhere() -> PathBuf {
    PathBuf::from("/nowhere/at/all")
}
