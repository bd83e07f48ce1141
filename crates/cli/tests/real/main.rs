//! The built program with real peers: Xvnc, QEMU, Chromium, PostgreSQL.
//!
//! Names of tests that start a browser or a virtual machine contain `chromium` or `qemu`:
//! `.config/nextest.toml` runs these one at a time.

mod acceptance;
mod agent_memory;
mod cable;
mod certificates;
mod cloud_errors;
mod compat;
mod connector;
mod consoles;
mod demo;
mod device_viewers;
mod devices;
mod doors;
mod endings;
mod endpoint_tests;
mod howto;
mod lines;
mod machine;
mod nat;
mod people;
mod proxies;
mod repeater;
mod restarts;
mod secrets;
mod strangers;
mod tls;
mod tools;
mod trail;
mod watching;

use transom_testkit::program::Program;

/// Returns the program under test.
fn transom() -> Program {
    Program::at(env!("CARGO_BIN_EXE_transom"))
}

/// Returns a server with the project `lab`.
fn lab(program: Program) -> Program {
    let program = program.serving();
    program.ask("project add lab");
    program
}

/// Adds an instance to the project `lab`, as the operator does.
fn add(program: &Program, id: &str, endpoint: &str, more: &str) {
    program.ask(&format!("instance add {id} --project lab --endpoint {endpoint} {more}"));
}

/// Returns a console URL of an instance of the project `lab`.
fn console(program: &Program, id: &str) -> String {
    program.ask(&format!("console {id} --project lab"))
}
