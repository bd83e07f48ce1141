//! A real websockify in front of a VNC server.

use std::net::TcpListener;
use std::process::Command;

use crate::process::{PATIENCE, Process};

/// The number of attempts to bind a port. Another process may take a free port before websockify
/// binds it, but not this many times in a row.
const ATTEMPTS: usize = 5;

/// A running websockify.
#[derive(Debug)]
pub struct Websockify {
    port: u16,
    _process: Process,
}

impl Websockify {
    /// Starts it in front of the VNC server at this address, `HOST:PORT`. It admits only requests
    /// that authenticate as this `USER:PASSWORD` (`Authorization: Basic`).
    ///
    /// # Panics
    /// Panics if it is not installed or does not start, with its reason.
    #[must_use]
    pub fn start(server: &str, login: &str) -> Self {
        let started = (0..ATTEMPTS).find_map(|_| start(server, login));
        started.expect("websockify starts on one of five free ports")
    }

    /// Its endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("ws://127.0.0.1:{}/websockify", self.port)
    }
}

fn start(server: &str, login: &str) -> Option<Websockify> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let mut websockify = Command::new("websockify");
    websockify.args(["--auth-plugin", "BasicHTTPAuth", "--auth-source", login]);
    websockify.args([&format!("127.0.0.1:{port}"), server]);
    let process = Process::start("websockify", &mut websockify);
    // It prints this once it listens.
    process.stderr().find(PATIENCE, |text| text.contains("proxying from").then_some(()))?;
    Some(Websockify { port, _process: process })
}
