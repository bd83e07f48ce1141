//! A real program beside the test. It ends with the test, and a failing test prints its output.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::transcript::Transcript;

/// The time within which a working program makes progress. A browser on a loaded machine with 2
/// cores needs this long.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// The time for a process to end after SIGTERM. A process that takes longer is killed.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Transcript,
    stderr: Transcript,
}

impl Process {
    /// Starts a program.
    ///
    /// # Panics
    /// Panics if it is not installed.
    pub fn start(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("{:?} does not start ({error}): run `make test`, which installs it", command.get_program())
        });
        let stdout = Transcript::of(child.stdout.take().expect("it is piped"));
        let stderr = Transcript::of(child.stderr.take().expect("it is piped"));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// The program's standard input, which closes when dropped.
    ///
    /// # Panics
    /// Panics on the second call.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("its standard input was taken once already")
    }

    /// The program's standard output.
    #[must_use]
    pub fn stdout(&self) -> &Transcript {
        &self.stdout
    }

    /// The program's standard error.
    #[must_use]
    pub fn stderr(&self) -> &Transcript {
        &self.stderr
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether the program is still running.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the program to end (SIGTERM).
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Kills the program (SIGKILL).
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        // Waiting here reaps the process, so its id is not reused early and its resources are free.
        let _ = self.child.wait();
    }

    /// Freezes the program (SIGSTOP). The kernel still accepts connections to its sockets, but they
    /// get no response.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Resumes the program (SIGCONT).
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// Panics if it does not end in this time.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        assert!(self.ended(limit), "{} does not end within {limit:?}", self.name);
        self.child.wait().expect("it is our child")
    }

    fn ended(&self, limit: Duration) -> bool {
        self.stderr.ends(limit) && self.stdout.ends(limit)
    }

    fn signal(&mut self, signal: Signal) {
        if self.runs() {
            let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
            // The process may end before the signal arrives.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.terminate();
        if self.runs() && !self.ended(FAREWELL) {
            self.kill();
        }
        let status = self.child.wait().expect("it is our child");
        if std::thread::panicking() {
            let signal = status.signal().map(|signal| format!(" (signal {signal})")).unwrap_or_default();
            show(&format!(
                "── {} ended: {status}{signal}\n── stdout\n{}\n── stderr\n{}",
                self.name,
                self.stdout.text(),
                self.stderr.text()
            ));
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that failed shows what its programs said")]
fn show(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(
        expected = "\"/nowhere/qemu\" does not start (No such file or directory (os error 2)): run `make test`"
    )]
    fn a_program_that_is_missing_is_named_with_what_installs_it() {
        let _ = Process::start("QEMU", &mut Command::new("/nowhere/qemu"));
    }

    #[test]
    fn a_program_ends_with_whoever_started_it() {
        let mut process = Process::start("cat", &mut Command::new("cat"));
        assert!(process.runs());
        let transcript = process.stdout().clone();
        drop(process);
        assert!(transcript.ends(FAREWELL));
    }

    #[test]
    fn what_a_program_says_is_found_when_it_is_said() {
        let mut echo = Command::new("sh");
        let mut process = Process::start("sh", echo.args(["-c", "read line; echo heard $line >&2; exit 3"]));
        std::io::Write::write_all(&mut process.stdin(), b"this\n").expect("it reads");
        process.stderr().expect("heard this\n", PATIENCE);
        assert_eq!(process.wait(PATIENCE).code(), Some(3));
        assert_eq!(process.stderr().find(PATIENCE, |text| text.contains("more").then_some(())), None);
    }
}
