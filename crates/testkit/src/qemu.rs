//! A real virtual machine (QEMU, emulated) that echoes typed text on its screen and on a serial
//! line.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::process::{PATIENCE, Process};
use crate::transcript::Transcript;

/// The address and authentication of the VNC server.
#[derive(Clone, Copy, Debug)]
pub enum Vnc<'a> {
    /// TCP without authentication.
    Open,
    /// TCP with VNC authentication and this password.
    Password(&'a str),
    /// A unix socket without authentication.
    Unix,
    /// A WebSocket with VNC authentication and this password.
    WebSocket(&'a str),
    /// A WebSocket over TLS with this certificate, without authentication.
    SecureWebSocket(&'a Certificate),
}

/// A running machine.
#[derive(Debug)]
pub struct Qemu {
    endpoint: String,
    process: Process,
    _folder: TempDir,
}

impl Qemu {
    /// Starts the machine and waits until it accepts typed text.
    ///
    /// # Panics
    /// Panics if QEMU or the guest is missing or does not start, with the reason.
    #[must_use]
    pub fn start(vnc: Vnc<'_>) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let control = folder.path().join("control.sock");
        let socket = folder.path().join("vnc.sock");
        let listener = UnixListener::bind(&control).expect("the temporary folder can be written");
        // QEMU itself looks for the first free port from 5900.
        let (display, secret) = match vnc {
            Vnc::Open => ("127.0.0.1:0,to=9000".to_owned(), None),
            Vnc::Password(password) => ("127.0.0.1:0,to=9000,password-secret=vnc".to_owned(), Some(password)),
            Vnc::Unix => (format!("unix:{}", socket.display()), None),
            Vnc::WebSocket(password) => {
                ("127.0.0.1:0,to=9000,websocket=on,password-secret=vnc".to_owned(), Some(password))
            }
            Vnc::SecureWebSocket(certificate) => {
                for (file, name) in
                    [(&certificate.cert, "server-cert.pem"), (&certificate.key, "server-key.pem")]
                {
                    fs::copy(file, folder.path().join(name)).expect("the certificate can be copied");
                }
                // QEMU demands an authority even if it verifies no clients.
                fs::copy(&certificate.cert, folder.path().join("ca-cert.pem")).expect("it can be copied");
                ("127.0.0.1:0,to=9000,websocket=on,tls-creds=tls".to_owned(), None)
            }
        };
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-accel", "tcg", "-m", "16", "-net", "none", "-monitor", "none", "-serial", "stdio"]);
        qemu.arg("-drive").arg(format!("file={},format=raw,if=floppy,readonly=on", guest().display()));
        qemu.args(["-boot", "a", "-vga", "std", "-vnc", &display]);
        qemu.arg("-qmp").arg(format!("unix:{}", control.display()));
        if matches!(vnc, Vnc::SecureWebSocket(_)) {
            let folder = folder.path().display();
            let credentials = format!(
                "tls-creds-x509,id=tls,dir={folder},endpoint=server,verify-peer=off,sanity-check=off"
            );
            qemu.arg("-object").arg(credentials);
        }
        if let Some(password) = secret {
            qemu.arg("-object").arg(format!("secret,id=vnc,data={password}"));
        }
        let process = Process::start("QEMU", &mut qemu);
        // The guest prints before the test queries QEMU. A QEMU process that failed would never
        // connect to the control socket.
        process.stdout().expect("type here:", PATIENCE);
        let endpoint = match vnc {
            Vnc::Unix => format!("vnc+unix:{}", socket.display()),
            Vnc::Open | Vnc::Password(_) => format!("vnc://127.0.0.1:{}", port(&listener, false)),
            Vnc::WebSocket(_) => format!("ws://127.0.0.1:{}/", port(&listener, true)),
            Vnc::SecureWebSocket(_) => format!("wss://127.0.0.1:{}/", port(&listener, true)),
        };
        Self { endpoint, process, _folder: folder }
    }

    /// Its endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The guest's output on its serial line: a greeting and the typed text.
    #[must_use]
    pub fn serial(&self) -> &Transcript {
        self.process.stdout()
    }

    /// Powers the machine off.
    pub fn stop(&mut self) {
        self.process.kill();
    }
}

/// The image that `scripts/setup.sh test` builds.
fn guest() -> PathBuf {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/echo.img");
    assert!(image.exists(), "{} is missing: run `make test`, which builds it", image.display());
    image
}

/// Asks QEMU (QMP, `query-vnc-servers`) for the port that it chose.
fn port(control: &UnixListener, is_web_socket: bool) -> u16 {
    let (mut stream, _) = control.accept().expect("QEMU connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
    stream
        .write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-vnc-servers\"}\n")
        .expect("QEMU listens");
    let answers = BufReader::new(stream).lines().map(|line| line.expect("QEMU answers in time"));
    answers
        .map(|line| serde_json::from_str::<Value>(&line).expect("QMP is JSON"))
        .find_map(|answer| {
            let servers = answer["return"][0]["server"].as_array()?.clone();
            let server = servers.into_iter().find(|server| server["websocket"] == is_web_socket)?;
            server["service"].as_str()?.parse().ok()
        })
        .expect("QEMU names its port")
}
