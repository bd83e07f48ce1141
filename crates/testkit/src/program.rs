//! The built program: `transom serve` beside the test, and the commands that talk to it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{PATIENCE, Process};

/// The program, a data folder, and the server that was started last.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, OsString)>,
    log: String,
    listen: String,
    server: Option<Process>,
    folder: TempDir,
}

/// What a command said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// Its result.
    pub stdout: String,
    /// What it said for people.
    pub stderr: String,
}

impl Program {
    /// The program at this path (`env!("CARGO_BIN_EXE_transom")`), with an empty data folder and no server yet.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log: "info".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            server: None,
            folder: tempfile::Builder::new().prefix("transom-test-").tempdir().expect("a temporary folder"),
        }
    }

    /// Further arguments of `transom serve`.
    #[must_use]
    pub fn with<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// Where the server listens; 127.0.0.1, on any port, unless this says otherwise.
    #[must_use]
    pub fn listening(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// A variable of the server's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// What the server logs (`TRANSOM_LOG`).
    #[must_use]
    pub fn logging(mut self, filter: &str) -> Self {
        filter.clone_into(&mut self.log);
        self
    }

    /// With its server running.
    #[must_use]
    pub fn serving(mut self) -> Self {
        self.serve();
        self
    }

    /// Starts the server, and at a later start where it was before.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn serve(&mut self) {
        self.server = None;
        let mut command = self.command();
        command.arg("serve").args(["--listen", &self.listen]).args(&self.arguments);
        command.env("TRANSOM_LOG", &self.log).envs(self.environment.iter().cloned());
        let server = Process::start("transom serve", &mut command);
        let address = server.stderr().find(PATIENCE, |log| {
            let (_, rest) = log.split_once("Transom serves ")?;
            let (url, _) = rest.split_once('\n')?;
            // The lines that follow belong to it.
            rest.contains("admin.json\n")
                .then(|| url.split_once("://").map(|(_, address)| address.to_owned()))?
        });
        self.server = Some(server);
        self.listen = address.expect("transom serve says where it listens");
    }

    /// Its server.
    ///
    /// # Panics
    /// Before the first start.
    pub fn server(&mut self) -> &mut Process {
        self.server.as_mut().expect("it serves")
    }

    /// Everything that the server has said.
    ///
    /// # Panics
    /// Before the first start.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.as_ref().expect("it serves").stderr().text()
    }

    /// `127.0.0.1:PORT`, where the server listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.listen
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a file of the test's own and answers where it is.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("the temporary folder can be written");
        path.display().to_string()
    }

    /// The program with an environment of its own.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TRANSOM_"))
        {
            command.env_remove(name);
        }
        command.env("TRANSOM_DATA", self.data()).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command that is expected to succeed: its words are split at spaces. Answers its standard output.
    ///
    /// # Panics
    /// Where it fails.
    pub fn ask(&self, words: &str) -> String {
        let answer = self.run(words);
        assert_eq!(answer.code, 0, "transom {words}: {}", answer.stderr);
        answer.stdout.trim_end().to_owned()
    }

    /// The same with `--json`.
    ///
    /// # Panics
    /// Where it fails or does not answer one JSON document.
    pub fn ask_json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ask(&format!("{words} --json"))).expect("one JSON document")
    }

    /// Runs a command, whatever comes of it.
    pub fn run(&self, words: &str) -> Answer {
        self.run_with(words, "")
    }

    /// Runs a command which reads this.
    pub fn run_with(&self, words: &str, input: &str) -> Answer {
        Answer::of(self.command().args(words.split_whitespace()), input)
    }

    /// Runs a line as a person pastes it into a shell.
    pub fn paste(&self, line: &str) -> Answer {
        let mut shell = Command::new("sh");
        Answer::of(shell.args(["-c", line]).current_dir(self.folder.path()), "")
    }

    /// Stops the server as a service manager does, and answers its exit code.
    ///
    /// # Panics
    /// Where it does not end in time.
    pub fn terminate(&mut self, limit: Duration) -> Option<i32> {
        let server = self.server();
        server.terminate();
        server.wait(limit).code()
    }
}

impl Answer {
    /// Runs a program to its end.
    ///
    /// # Panics
    /// Where it does not start or end.
    pub fn of(command: &mut Command, input: &str) -> Self {
        let name = command.get_program().display().to_string();
        let mut process = Process::start(&name, command);
        // Who does not read its input loses nothing.
        let _ = process.stdin().write_all(input.as_bytes());
        let code = process.wait(PATIENCE).code().unwrap_or(-1);
        Self { code, stdout: process.stdout().text(), stderr: process.stderr().text() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nobody waits for its farewell: draining would make every test that leaves a console open slow.
        if let Some(server) = &mut self.server {
            server.kill();
        }
    }
}

/// Whether this path's mode keeps everybody else out.
///
/// # Panics
/// Where it does not exist.
#[must_use]
pub fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("it exists").permissions().mode() & 0o077 == 0
}
