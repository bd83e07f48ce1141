//! A real Xvnc (TigerVNC) with an xterm that reports the typed text line by line.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::process::{PATIENCE, Process};
use crate::program::Answer;
use crate::transcript::Transcript;

/// The number of attempts to bind a port. Another process may take a free port before Xvnc binds
/// it, but not this many times in a row.
const ATTEMPTS: usize = 5;
/// The terminal fills this screen, so keys reach it at any pointer position.
const SCREEN: &str = "640x480";
const TERMINAL: &str = "110x40+0+0";

/// Xvnc's authentication of viewers.
#[derive(Clone, Copy, Debug)]
pub enum Security<'a> {
    /// No authentication.
    None,
    /// No authentication, but a person at the screen must accept each viewer.
    Query,
    /// VNC authentication with this password.
    Password(&'a str),
    /// VeNCrypt X509Vnc: TLS, and this password inside it.
    Tls(&'a Certificate, &'a str),
    /// VeNCrypt X509None: TLS without a password.
    TlsAlone(&'a Certificate),
}

/// A running Xvnc.
#[derive(Debug)]
pub struct Xvnc {
    port: u16,
    display: String,
    typed: Transcript,
    // Fields drop in this order: the terminal and the dialog end before their screen.
    _terminal: Process,
    _asker: Option<Process>,
    screen: Process,
    _folder: TempDir,
}

impl Xvnc {
    /// Starts Xvnc and waits until it accepts typed text.
    ///
    /// # Panics
    /// Panics if it is not installed or does not start, with its reason.
    #[must_use]
    pub fn start(security: Security<'_>) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let arguments = arguments(security, folder.path());
        let (screen, display, port) =
            (0..ATTEMPTS).find_map(|_| screen(&arguments)).expect("Xvnc starts on one of five free ports");
        let pipe = pipe(folder.path());
        // Opened for reading and writing, so that the open does not block and the pipe has no end
        // before the terminal starts.
        let source = File::options().read(true).write(true).open(&pipe).expect("the pipe opens");
        let typed = Transcript::of(source);
        let passing_on = format!("exec >{}; echo ready; exec cat", pipe.display());
        let mut xterm = Command::new("xterm");
        xterm.args(["-display", &display, "-geometry", TERMINAL, "-bg", "#10243e", "-fg", "#ffd479"]);
        xterm.args(["-e", "sh", "-c", &passing_on]);
        let terminal = Process::start("xterm", &mut xterm);
        typed.expect("ready\n", PATIENCE);
        let asker = matches!(security, Security::Query).then(|| {
            let mut vncconfig = Command::new("tigervncconfig");
            Process::start("vncconfig", vncconfig.args(["-display", &display, "-nowin"]))
        });
        Self { port, display, typed, _terminal: terminal, _asker: asker, screen, _folder: folder }
    }

    /// Its endpoint.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("vnc://{}", self.address())
    }

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its X display, for programs that need a screen.
    #[must_use]
    pub fn display(&self) -> &str {
        &self.display
    }

    /// The typed lines, each ended by Enter.
    #[must_use]
    pub fn typed(&self) -> &Transcript {
        &self.typed
    }

    /// Answers the question whether to accept a viewer, once it appears.
    ///
    /// # Panics
    /// Panics if it does not appear, or if xdotool is not installed.
    pub fn answers(&self, accept: bool) {
        // The centres of the two buttons in the window.
        let button = if accept { "39" } else { "237" };
        let mut xdotool = Command::new("xdotool");
        xdotool.env("DISPLAY", &self.display);
        xdotool.args(["search", "--sync", "--onlyvisible", "--name", "Accept Connection"]);
        xdotool.args(["mousemove", "--window", "%1", button, "83", "click", "1"]);
        let answered = Answer::of(&mut xdotool, "");
        assert_eq!(answered.code, 0, "{}", answered.stderr);
    }

    /// Stops the server.
    pub fn stop(&mut self) {
        self.screen.terminate();
        self.screen.wait(PATIENCE);
    }
}

fn arguments(security: Security<'_>, folder: &Path) -> Vec<String> {
    let (kind, password) = match security {
        Security::None | Security::Query => ("None", None),
        Security::Password(password) => ("VncAuth", Some(password)),
        Security::Tls(_, password) => ("X509Vnc", Some(password)),
        Security::TlsAlone(_) => ("X509None", None),
    };
    let mut arguments = vec!["-SecurityTypes".to_owned(), kind.to_owned()];
    if let Some(password) = password {
        let file = folder.join("password");
        write_password(password, &file);
        arguments.extend(["-PasswordFile".to_owned(), file.display().to_string()]);
    }
    if let Security::Query = security {
        arguments.extend(["-QueryConnect", "-QueryConnectTimeout", "120"].map(str::to_owned));
    }
    if let Security::Tls(certificate, _) | Security::TlsAlone(certificate) = security {
        arguments.extend(["-X509Cert".to_owned(), certificate.cert.display().to_string()]);
        arguments.extend(["-X509Key".to_owned(), certificate.key.display().to_string()]);
    }
    arguments
}

/// Starts an X server on a display of its choice and a port that was free a moment ago.
fn screen(security: &[String]) -> Option<(Process, String, u16)> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let mut xvnc = Command::new("Xtigervnc");
    xvnc.args(["-displayfd", "1", "-rfbport", &port.to_string(), "-localhost", "-nolisten", "tcp", "-ac"]);
    xvnc.args(["-geometry", SCREEN, "-depth", "24", "-AlwaysShared"]);
    // Tests fail to authenticate on purpose.
    xvnc.args(["-BlacklistThreshold", "1000"]).args(security);
    let process = Process::start("Xvnc", &mut xvnc);
    let display = process.stdout().find(PATIENCE, |text| text.strip_suffix('\n').map(str::to_owned))?;
    Some((process, format!(":{display}"), port))
}

/// Writes a password file for Xvnc and TigerVNC's viewer.
///
/// # Panics
/// Panics if TigerVNC's tools are not installed.
pub fn write_password(password: &str, file: &Path) {
    let file = File::create(file).expect("the temporary folder can be written");
    let mut command = Command::new("tigervncpasswd");
    let mut program = command
        .arg("-f")
        .stdin(Stdio::piped())
        .stdout(file)
        .spawn()
        .expect("tigervncpasswd starts: run `make test`, which installs it");
    let written = program.stdin.take().expect("it is piped").write_all(password.as_bytes());
    written.expect("it reads");
    assert!(program.wait().expect("it is our child").success(), "tigervncpasswd failed");
}

fn pipe(folder: &Path) -> PathBuf {
    let pipe = folder.join("typed");
    let status = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo (coreutils) starts");
    assert!(status.success(), "mkfifo failed");
    pipe
}
