//! The VNC viewer that the command starts.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// A viewer's process; by default there is none.
#[derive(Default)]
pub(super) struct Viewer {
    name: String,
    child: Option<Child>,
}

impl Viewer {
    /// Starts this command with the local address.
    pub(super) fn start(command: &str, address: SocketAddr) -> Result<Self, Failure> {
        let line = line(command, address);
        let mut shell = Command::new("sh");
        // With `exec`, a signal to the child ends the viewer and not a shell that waits for it.
        shell.args(["-c", &format!("exec {line}")]).stdin(Stdio::null());
        let child = shell.spawn().map_err(|error| Failure::theirs(format_args!("{command}: {error}")))?;
        Ok(Self { name: command.to_owned(), child: Some(child) })
    }

    /// Waits for the viewer's end. Never returns if there is no viewer, or if it has ended before.
    /// Cancel-safe.
    pub(super) async fn ended(&mut self) -> Result<(), Failure> {
        let Some(child) = &mut self.child else { return std::future::pending().await };
        let status = child.wait().await;
        self.child = None;
        match status.map_err(Failure::ours)? {
            status if status.success() => Ok(()),
            status => Err(self.failed(status)),
        }
    }

    fn failed(&self, status: ExitStatus) -> Failure {
        let failure = Failure::theirs(format_args!("the viewer {:?} ended: {status}", self.name));
        match status.code() {
            Some(126 | 127) => {
                failure.with_next_step("Check that it is installed, and give its path with --viewer.")
            }
            _ => failure,
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let id = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            // The viewer may end between the two lines.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

/// Returns the command line with the local address. TigerVNC, TightVNC, UltraVNC and RealVNC accept
/// `HOST::PORT`.
fn line(command: &str, address: SocketAddr) -> String {
    let port = address.port().to_string();
    if command.contains("{port}") {
        return command.replace("{port}", &port);
    }
    let host = match address {
        address if address.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    format!("{command} '{host}::{port}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_gets_the_address_at_the_end_or_the_port_where_it_is_wanted() {
        let local = "127.0.0.1:5901".parse().expect("an address");
        assert_eq!(line("vncviewer -Shared", local), "vncviewer -Shared '127.0.0.1::5901'");
        assert_eq!(line("remmina -c vnc://127.0.0.1:{port}", local), "remmina -c vnc://127.0.0.1:5901");
        assert_eq!(line("v", "[::1]:5901".parse().expect("an address")), "v '[::1]::5901'");
        assert_eq!(line("v", "0.0.0.0:5901".parse().expect("an address")), "v '127.0.0.1::5901'");
    }
}
