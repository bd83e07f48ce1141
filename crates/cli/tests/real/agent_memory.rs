//! The memory of an agent, which runs on routers and panels.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use transom_testkit::process::{PATIENCE, Process};

use crate::devices::Fleet;

/// The number of sessions at once.
const SESSIONS: usize = 10;
/// The bytes in each session and direction, more than any buffer of the agent holds.
const EACH_WAY: usize = 256 << 10;
/// Half of the limit for the whole program. The other half is for its code, which is larger in a
/// build for tests.
const OWN_MEMORY_KIB: u64 = 6 * 1024;

/// Returns the memory in KiB that is the process's own, without the pages of files
/// (`proc_pid_status(5)`).
fn own_memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux 4.5 or newer");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn an_agent_that_has_carried_ten_sessions_is_small() {
    let fleet = Fleet::set();
    let device = fleet.address("listen", "");
    let target = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let agent = fleet.agent(&device, &format!("--to {}", target.local_addr().expect("it is bound")));
    let block = vec![7; EACH_WAY];
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        let viewer = fleet.address("connect", "");
        let line = format!("connect {} {}", device.name, fleet.joining(&viewer));
        let connector = fleet.start("transom connect", &line);
        let port = connector.stdout().find(PATIENCE, |text| Some(text.split_once('\n')?.0.to_owned()));
        let screen = TcpStream::connect(format!("127.0.0.1:{}", port.expect("a port"))).expect("open");
        let (guest, _) = target.accept().expect("a connection");
        pass(&screen, &guest, &block);
        pass(&guest, &screen, &block);
        // Its sockets close before it ends, which spares it a long goodbye.
        sessions.push((screen, guest, connector));
    }
    let own = own_memory(&agent);
    assert!(own <= OWN_MEMORY_KIB, "{own} KiB for {} sessions", sessions.len());
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, block: &[u8]) {
    std::thread::scope(|scope| {
        scope.spawn(move || from.write_all(block).expect("it is taken"));
        let mut heard = vec![0; block.len()];
        to.set_read_timeout(Some(PATIENCE)).expect("a limit");
        to.read_exact(&mut heard).expect("all of it");
        assert!(heard == block, "it came as it was sent");
    });
}
