//! Faults of the device's own machine: an agent continues, waits, or ends with a code after which
//! its unit starts it again.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use transom_testkit::full_disk::SmallDisk;
use transom_testkit::process::{PATIENCE, Process};
use transom_testkit::program::Program;

use crate::lab;
use crate::unit::Unit;

/// An address with its password in a file.
struct Own {
    name: String,
    password: String,
}

impl Own {
    fn made(program: &Program, key: &str, action: &str) -> Self {
        let made = program.ask_json(&format!("address add --key {key} --action {action}"));
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        let name = text("cloudAddress");
        Self { password: program.file(&name, &text("cloudPassword")), name }
    }

    fn joining(&self, program: &Program, data: &Path) -> Vec<String> {
        let server = format!("http://{}", program.address());
        let data = data.display().to_string();
        ["--server", &server, "--data", &data, "--address", &self.name, "--password-file", &self.password]
            .map(str::to_owned)
            .to_vec()
    }
}

fn key(program: &Program) -> String {
    program.ask_json("key add --project lab")["id"].as_str().expect("an id").to_owned()
}

fn agent(program: &Program, own: &Own, data: &Path, target: &str) -> Process {
    let mut agent = program.command();
    agent.arg("agent").args(own.joining(program, data)).args(["--to", target]);
    Process::start("transom agent", &mut agent)
}

/// Mounts a small disk and returns its folder and the disk.
fn disk(program: &Program, name: &str) -> (PathBuf, SmallDisk) {
    let folder = program.data().with_file_name(name);
    let disk = SmallDisk::mount(&folder, 1);
    (folder, disk)
}

fn remount(folder: &Path, how: &str) {
    let mounted = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(folder).status();
    assert!(mounted.expect("mount starts").success(), "tests run as root");
}

#[test]
fn an_agent_that_cannot_begin_on_its_disk_ends_with_what_its_unit_starts_again() {
    let program = lab();
    let own = Own::made(&program, &key(&program), "listen");
    let unit = Unit::shipped();
    let (full, room) = disk(&program, "full");
    room.fill();
    let (read_only, _disk) = disk(&program, "read-only");
    remount(&read_only, "ro");
    for (folder, why) in [(&full, "No space left on device"), (&read_only, "Read-only file system")] {
        let mut ended = agent(&program, &own, folder, "127.0.0.1:5900");
        let code = ended.wait(PATIENCE).code().expect("it ends on its own");
        let said = ended.stderr().text();
        assert!(unit.starts_again(code), "{code}: {said}");
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(why) && said.contains(&folder.display().to_string()), "{said}");
    }
    // An agent without free descriptors ends like that, too.
    let mut starved = program.command();
    let words = own.joining(&program, &program.data().with_file_name("starved")).join(" ");
    let name = starved.get_program().to_owned();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n 5; exec \"$0\" agent {words} --to 127.0.0.1:5900")]).arg(name);
    starved = shell;
    let mut ended = Process::start("transom agent", &mut starved);
    let code = ended.wait(PATIENCE).code().expect("it ends on its own");
    assert!(unit.starts_again(code), "{code}: {}", ended.stderr().text());
    // The fault is gone, so the same command runs.
    room.make_room();
    remount(&read_only, "rw");
    for folder in [&full, &read_only] {
        agent(&program, &own, folder, "127.0.0.1:5900").stderr().expect("Online\n", PATIENCE);
    }
    // An error that a person must correct is not retried.
    let nowhere = Own { name: own.name, password: "/nowhere/at/all".to_owned() };
    let mut ended = agent(&program, &nowhere, &full, "127.0.0.1:5900");
    let code = ended.wait(PATIENCE).code().expect("it ends on its own");
    assert_eq!((code, unit.starts_again(code)), (1, false), "{}", ended.stderr().text());
}

#[test]
fn an_agent_that_has_its_key_goes_on_on_a_disk_that_takes_nothing_and_lets_new_viewers_in() {
    let program = lab();
    let key = key(&program);
    let (own, desk) = (Own::made(&program, &key, "listen"), Own::made(&program, &key, "connect"));
    let machine = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = machine.local_addr().expect("it listens").to_string();
    let greeting = thread::spawn(move || {
        for viewer in machine.incoming().take(2) {
            let _ = viewer.expect("it is reached").write_all(b"hello");
        }
    });
    let (full, room) = disk(&program, "full");
    // The key is created.
    agent(&program, &own, &full, &target).stderr().expect("Online\n", PATIENCE);
    room.fill();
    let device = agent(&program, &own, &full, &target);
    device.stderr().expect("Online\n", PATIENCE);
    let connected = || {
        let mut connect = program.command();
        let data = program.data().with_file_name("desk");
        connect.args(["connect", &own.name]).args(desk.joining(&program, &data));
        let connector = Process::start("transom connect", &mut connect);
        let port = connector.stdout().find(PATIENCE, |text| text.trim_end().parse::<u16>().ok());
        let mut viewer = TcpStream::connect(("127.0.0.1", port.expect("a port"))).expect("it listens");
        viewer.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut heard = String::new();
        viewer.read_to_string(&mut heard).expect("the machine greets");
        assert_eq!(heard, "hello", "{}", device.stderr().text());
    };
    connected();
    let told = format!(
        "[vnccloud:{}] presents its key for the first time, but the key cannot be saved: no storage space.",
        desk.name
    );
    device.stderr().expect(&told, PATIENCE);
    // The entry is not half written, and the next visit writes it once there is room.
    let known = full.join("device/known-keys");
    assert!(!fs::exists(&known).expect("it can be looked for"));
    room.make_room();
    connected();
    greeting.join().expect("both came");
    let kept = fs::read_to_string(&known).expect("it is written");
    assert!(kept.starts_with(&format!("{} ", desk.name)) && kept.lines().count() == 1, "{kept}");
    let opened = device
        .stderr()
        .find(PATIENCE, |text| text.contains("is connected, with the previous key").then_some(()));
    assert!(opened.is_some(), "{}", device.stderr().text());
}

#[test]
fn without_a_name_service_or_a_network_an_agent_waits() {
    let program = lab();
    let own = Own::made(&program, &key(&program), "listen");
    let data = |name: &str| program.data().with_file_name(name);
    let words = |name: &str, server: &str| {
        let mut words = own.joining(&program, &data(name));
        words[1] = server.to_owned();
        words
    };
    let mut unnamed = program.command();
    unnamed.arg("agent").args(words("unnamed", "https://console.invalid")).args(["--to", "127.0.0.1:5900"]);
    let mut alone = Command::new("unshare");
    alone.arg("--net").arg(program.command().get_program()).arg("agent");
    alone.args(words("alone", "http://192.0.2.1 --insecure").iter().flat_map(|word| word.split(' ')));
    alone.args(["--to", "127.0.0.1:5900"]);
    for mut command in [unnamed, alone] {
        let mut waits = Process::start("transom agent", &mut command);
        waits.stderr().expect("CloudConnectivityError: ", PATIENCE);
        waits.stderr().expect("Retrying in ", PATIENCE);
        assert!(waits.runs(), "{}", waits.stderr().text());
    }
}

#[test]
fn a_second_agent_in_one_folder_refuses_and_the_first_goes_on() {
    let program = lab();
    let key = key(&program);
    let (one, two) = (Own::made(&program, &key, "listen"), Own::made(&program, &key, "listen"));
    let data = program.data().with_file_name("shared");
    let mut first = agent(&program, &one, &data, "127.0.0.1:5900");
    first.stderr().expect("Online\n", PATIENCE);
    let mut second = agent(&program, &two, &data, "127.0.0.1:5900");
    assert_eq!(second.wait(PATIENCE).code(), Some(2));
    let told = format!(
        "transom: another agent uses the folder {}/device: each agent needs its own folder (--data DIR)\n",
        data.canonicalize().expect("it is there").display()
    );
    assert!(second.stderr().text().ends_with(&told), "{}", second.stderr().text());
    assert!(first.runs());
    first.terminate();
    assert_eq!(first.wait(PATIENCE).code(), Some(0));
    agent(&program, &two, &data, "127.0.0.1:5900").stderr().expect("Online\n", PATIENCE);
}
