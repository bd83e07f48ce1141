//! The built program: `transom serve` beside the test, and the commands that call it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{PATIENCE, Process};

/// The program with a data folder and the server that it started last.
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

/// A command's output and exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit code.
    pub code: i32,
    /// The command's result.
    pub stdout: String,
    /// The command's messages for people.
    pub stderr: String,
}

impl Program {
    /// The program at this path (`env!("CARGO_BIN_EXE_transom")`), with an empty data folder and no
    /// server yet.
    ///
    /// # Panics
    /// Panics if the temporary folder cannot be written.
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

    /// Adds arguments of `transom serve`.
    #[must_use]
    pub fn with<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// Sets the server's address. The default is 127.0.0.1 with any port.
    #[must_use]
    pub fn listening(mut self, address: &str) -> Self {
        address.clone_into(&mut self.listen);
        self
    }

    /// Sets a variable in the server's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the server's log filter (`TRANSOM_LOG`).
    #[must_use]
    pub fn logging(mut self, filter: &str) -> Self {
        filter.clone_into(&mut self.log);
        self
    }

    /// Starts the server.
    #[must_use]
    pub fn serving(mut self) -> Self {
        self.serve();
        self
    }

    /// Starts the server. A later start reuses the address.
    ///
    /// # Panics
    /// Panics if it does not start.
    pub fn serve(&mut self) {
        self.server = None;
        let mut command = self.command();
        command.arg("serve").args(["--listen", &self.listen]).args(&self.arguments);
        command.env("TRANSOM_LOG", &self.log).envs(self.environment.iter().cloned());
        let server = Process::start("transom serve", &mut command);
        let address = server.stderr().find(PATIENCE, |log| {
            let (_, rest) = log.split_once("Transom is running at ")?;
            let (url, _) = rest.split_once('\n')?;
            // The following lines belong to the same message.
            rest.contains("admin.json\n")
                .then(|| url.split_once("://").map(|(_, address)| address.to_owned()))?
        });
        self.server = Some(server);
        self.listen = address.expect("transom serve says where it listens");
    }

    /// The server's process.
    ///
    /// # Panics
    /// Panics before the first start.
    pub fn server(&mut self) -> &mut Process {
        self.server.as_mut().expect("it serves")
    }

    /// The server's output so far.
    ///
    /// # Panics
    /// Panics before the first start.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.as_ref().expect("it serves").stderr().text()
    }

    /// The server's address, `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.listen
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a file for the test. Returns its path.
    ///
    /// # Panics
    /// Panics if the temporary folder cannot be written.
    #[must_use]
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("the temporary folder can be written");
        path.display().to_string()
    }

    /// A command of the program with a clean environment.
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

    /// Runs a command, which must succeed. The words are split at spaces. Returns the standard
    /// output.
    ///
    /// # Panics
    /// Panics if it fails.
    pub fn ask(&self, words: &str) -> String {
        let answer = self.run(words);
        assert_eq!(answer.code, 0, "transom {words}: {}", answer.stderr);
        answer.stdout.trim_end().to_owned()
    }

    /// Runs a command with `--json`, which must succeed. Returns the JSON.
    ///
    /// # Panics
    /// Panics if the command fails or does not print one JSON document.
    pub fn ask_json(&self, words: &str) -> Value {
        serde_json::from_str(&self.ask(&format!("{words} --json"))).expect("one JSON document")
    }

    /// Runs a command to its end.
    pub fn run(&self, words: &str) -> Answer {
        self.run_with(words, "")
    }

    /// Runs a command with this standard input.
    pub fn run_with(&self, words: &str, input: &str) -> Answer {
        Answer::of(self.command().args(words.split_whitespace()), input)
    }

    /// Runs a line through a shell, as a person pastes it.
    pub fn paste(&self, line: &str) -> Answer {
        let mut shell = Command::new("sh");
        Answer::of(shell.args(["-c", line]).current_dir(self.folder.path()), "")
    }

    /// Stops the server as a service manager does. Returns its exit code.
    ///
    /// # Panics
    /// Panics if it does not end in time.
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
    /// Panics if it does not start or end.
    pub fn of(command: &mut Command, input: &str) -> Self {
        let name = command.get_program().display().to_string();
        let mut process = Process::start(&name, command);
        // A program that ignores its input may close the pipe early.
        let _ = process.stdin().write_all(input.as_bytes());
        let code = process.wait(PATIENCE).code().unwrap_or(-1);
        Self { code, stdout: process.stdout().text(), stderr: process.stderr().text() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Kills the server, because draining would delay every test that leaves a console open.
        if let Some(server) = &mut self.server {
            server.kill();
        }
    }
}

/// Returns whether the path's mode excludes all other users.
///
/// # Panics
/// Panics if it does not exist.
#[must_use]
pub fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("it exists").permissions().mode() & 0o077 == 0
}
