//! A real x11vnc, which shares the screen of an X server without VNC.

use std::process::Command;

use crate::process::{PATIENCE, Process};
use crate::xvnc::Xvnc;

/// The first port that it tries. If it is taken, x11vnc tries the following ones.
const FIRST_PORT: &str = "41000";

/// A running x11vnc.
#[derive(Debug)]
pub struct X11vnc {
    process: Process,
    port: u16,
}

impl X11vnc {
    /// Starts x11vnc on the display of another server, with additional arguments.
    ///
    /// # Panics
    /// Panics if it is not installed or does not start.
    #[must_use]
    pub fn start(screen: &Xvnc, more: &[&str]) -> Self {
        let mut command = Command::new("x11vnc");
        command.args(["-display", screen.display(), "-localhost", "-nopw", "-forever", "-shared", "-noshm"]);
        command.args(["-autoport", FIRST_PORT]).args(more);
        let process = Process::start("x11vnc", &mut command);
        let port = process
            .stdout()
            .find(PATIENCE, |text| text.split_once("PORT=")?.1.split_once('\n')?.0.trim().parse().ok());
        let port = port.unwrap_or_else(|| panic!("x11vnc says no port: {}", process.stderr().text()));
        Self { process, port }
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
