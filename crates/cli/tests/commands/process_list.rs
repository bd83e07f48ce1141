//! The process list and the environment of our programs: other users of the machine find no secret
//! there.

use std::io::Write as _;

use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;

use crate::{lab, transom};

const ADDRESS: &str = "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";

/// Returns the command line of a process, which every user can read, and its environment, which
/// this user can read.
fn readable(process: u32) -> String {
    let read = |name: &str| std::fs::read(format!("/proc/{process}/{name}")).expect("it runs");
    let text = [read("cmdline"), read("environ")].concat();
    String::from_utf8_lossy(&text).replace('\0', " ")
}

/// Starts a program that prints this as soon as it has read its command line.
fn started(program: &Program, words: &str, says: &str) -> Process {
    let mut command = program.command();
    let process = Process::start("transom", command.args(words.split_whitespace()));
    process.stderr().expect(says, PATIENCE);
    process
}

#[test]
fn a_devices_and_a_viewers_command_line_do_not_show_their_secrets() {
    let program = transom();
    let password = program.file("password", "secret");
    let (token, proxy) = ("AQEB".repeat(11)[..43].to_owned(), "http://panel:sesame@127.0.0.1:9");
    let joining = format!("--server http://127.0.0.1:9 --proxy {proxy}");
    for (words, says) in [
        (format!("agent {joining} --enroll {token} --to 127.0.0.1:5900"), "This device's key is "),
        (format!("agent {joining} --enroll={token} --to 127.0.0.1:5900"), "This device's key is "),
        (
            format!("connect {ADDRESS} --wait {joining} --address {ADDRESS} --password-file {password}"),
            "This connector's key is ",
        ),
    ] {
        let process = started(&program, &words, says);
        let readable = readable(process.id());
        for secret in [&*token, "sesame"] {
            assert!(!readable.contains(secret), "{readable}");
        }
        assert!(readable.contains("--proxy-file "), "{readable}");
        // The program uses the given proxy, and there is no listener at its address.
        process.stderr().expect("CloudConnectivityError", PATIENCE);
    }
}

#[test]
fn a_servers_command_line_does_not_show_its_databases_password() {
    let database = transom_testkit::postgres::database();
    let (_, rest) = database.split_once("://transom:").expect("a password");
    let (password, _) = rest.split_once('@').expect("a password");
    let mut program = transom().with(["--database", &database]).serving();
    let process = program.server().id();
    let shown = readable(process);
    assert!(!shown.contains(password), "{shown}");
    assert!(shown.contains("--database-file "), "{shown}");
    program.ask("project add lab");
    // The same database, named in a file.
    let file = program.file("database", &format!("{database}\n"));
    let again = transom().with(["--database-file", &file]);
    let master_key =
        ["--master-key-file", &program.data().join("master.key").display().to_string()].map(str::to_owned);
    let again = again.with([&*master_key[0], &*master_key[1]]).serving();
    assert_eq!(again.ask_json("project list")[0]["name"], "lab");
}

#[test]
fn an_enrollment_token_comes_by_file_standard_input_environment_or_command_line() {
    let program = lab();
    let key = program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned();
    let made = program.run(&format!("enrollment add --key {key} --count 4"));
    let tokens: Vec<_> = made.stdout.lines().collect();
    let file = program.file("token", &format!("{}\n", tokens[0]));
    for (n, (given, variable, input)) in [
        (format!("--enroll-file {file}"), None, ""),
        ("--enroll -".to_owned(), None, tokens[1]),
        (String::new(), Some(tokens[2]), ""),
        // The command line takes precedence over the environment.
        (format!("--enroll {}", tokens[3]), Some("no token at all"), ""),
    ]
    .into_iter()
    .enumerate()
    {
        let mut command = program.command();
        command.args([
            "agent",
            "--server",
            &format!("http://{}", program.address()),
            "--to",
            "127.0.0.1:5900",
        ]);
        command.arg("--data").arg(program.data().with_file_name(format!("device-{n}")));
        command.args(given.split_whitespace()).envs(variable.map(|token| ("TRANSOM_ENROLL", token)));
        let mut agent = Process::start("transom agent", &mut command);
        agent.stdin().write_all(input.as_bytes()).expect("it reads");
        agent.stderr().expect("Enrolled as ", PATIENCE);
        agent.stderr().expect("Online\n", PATIENCE);
    }
}
