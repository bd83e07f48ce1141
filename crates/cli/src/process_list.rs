//! The process list. Every user of a machine can read every command line, so a secret on this
//! program's command line stays there only for a moment.
//!
//! Safe code cannot overwrite a command line. So a program that finds a secret on its command line
//! executes itself again under the same process id. It writes the secret into a pipe, and the new
//! command line names the pipe.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::pipe::{PipeFlags, pipe_with};

use crate::output::say;

/// The commands that run for long, and so show their command lines for long.
const COMMANDS: [&str; 4] = ["agent", "connect", "serve", "migrate"];
/// The length limit of a secret: the bytes that a pipe holds without a reader (pipe(7)).
const MOST: usize = 4096;

/// An option that may hold a secret.
struct Confidential {
    name: &'static str,
    /// The option for the same value in a file.
    file: &'static str,
    /// The environment variable for the same value. The option takes precedence over it.
    variable: &'static str,
    is_secret: fn(&str) -> bool,
}

const OPTIONS: [Confidential; 3] = [
    Confidential {
        name: "--enroll",
        file: "--enroll-file",
        variable: "TRANSOM_ENROLL",
        // A single hyphen is standard input.
        is_secret: |token| token != "-",
    },
    Confidential {
        name: "--proxy",
        file: "--proxy-file",
        variable: "TRANSOM_PROXY",
        is_secret: |url| url.contains('@'),
    },
    Confidential {
        name: "--database",
        file: "--database-file",
        variable: "TRANSOM_DATABASE",
        is_secret: |url| url.contains('@') || url.contains("password"),
    },
];

/// Executes this program again without the secrets on its command line. Returns if there are none.
pub(crate) fn hide_secrets() {
    let line: Vec<OsString> = std::env::args_os().collect();
    let Some(hidden) = Hidden::of(&line) else { return };
    // If the new program does not start, this one continues as it is.
    let error = hidden.map_or_else(|error| error, |hidden| hidden.start());
    say(format_args!(
        "Other users of this machine can read the secret on this command line ({error}): pass it in a file or in an \
         environment variable."
    ));
}

/// A command line whose secrets are in pipes.
struct Hidden {
    line: Vec<OsString>,
    variables: Vec<&'static str>,
    /// The read ends of the pipes, which the new program inherits.
    pipes: Vec<OwnedFd>,
}

impl Hidden {
    /// Moves the secrets of a command line into pipes. `None` if it contains no secrets.
    fn of(line: &[OsString]) -> Option<io::Result<Self>> {
        let command = line.iter().skip(1).position(|word| COMMANDS.iter().any(|name| word == name))?;
        let mut hidden = Self { line: Vec::new(), variables: Vec::new(), pipes: Vec::new() };
        let (before, mut rest) = line.split_at(command + 2);
        hidden.line.extend_from_slice(before);
        while let Some((word, after)) = rest.split_first() {
            rest = after;
            let Some((option, value, joined)) = option(word, after.first()) else {
                hidden.line.push(word.clone());
                continue;
            };
            if !joined {
                rest = rest.get(1..).unwrap_or_default();
            }
            match keep(value) {
                Ok(pipe) => hidden.put(option, pipe),
                Err(error) => return Some(Err(error)),
            }
        }
        (!hidden.pipes.is_empty()).then_some(Ok(hidden))
    }

    fn put(&mut self, option: &Confidential, pipe: OwnedFd) {
        let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
        self.line.push(option.file.into());
        self.line.push(format!("{folder}/{}", pipe.as_raw_fd()).into());
        self.variables.push(option.variable);
        self.pipes.push(pipe);
    }

    /// Executes the program. Returns only the error, since a success replaces this process.
    fn start(&self) -> io::Error {
        let Some((name, words)) = self.line.split_first() else { return io::ErrorKind::InvalidInput.into() };
        let mut command = match own_file() {
            Ok(file) => Command::new(file),
            Err(error) => return error,
        };
        command.arg0(name).args(words);
        for variable in &self.variables {
            command.env_remove(variable);
        }
        command.exec()
    }
}

/// Returns the option that this word begins if its value is a secret, the value, and `true` if
/// option and value are one word.
fn option<'a>(word: &'a OsStr, next: Option<&'a OsString>) -> Option<(&'static Confidential, &'a str, bool)> {
    let word = word.to_str()?;
    OPTIONS.iter().find_map(|option| {
        let (value, joined) = match word.strip_prefix(option.name)?.split_at_checked(1) {
            None => (next?.to_str()?, false),
            Some(("=", value)) => (value, true),
            Some(_) => return None,
        };
        (option.is_secret)(value).then_some((option, value, joined))
    })
}

/// Returns a pipe that contains the secret. The new program inherits it, and can read it once.
fn keep(secret: &str) -> io::Result<OwnedFd> {
    if secret.len() > MOST {
        return Err(io::Error::other("it is too long"));
    }
    let (read, write) = pipe_with(PipeFlags::empty())?;
    std::fs::File::from(write).write_all(secret.as_bytes())?;
    Ok(read)
}

/// Returns the path of this program's file. If that file was replaced meanwhile, the path leads to
/// the running program.
fn own_file() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(if path.exists() { path } else { "/proc/self/exe".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(line: &str) -> Option<String> {
        let line: Vec<_> = line.split(' ').map(OsString::from).collect();
        let hidden = Hidden::of(&line)?.expect("a pipe");
        let words: Vec<_> = hidden.line.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut line = words.join(" ");
        for pipe in &hidden.pipes {
            line = line.replace(&format!("fd/{}", pipe.as_raw_fd()), "fd/N");
        }
        Some(line)
    }

    #[test]
    fn secrets_are_found_wherever_they_stand_and_nothing_else_is_touched() {
        for (line, expected) in [
            (
                "transom agent --enroll -Sx --to h:1",
                Some("transom agent --enroll-file /proc/self/fd/N --to h:1"),
            ),
            (
                "transom --data d agent --enroll=x",
                Some("transom --data d agent --enroll-file /proc/self/fd/N"),
            ),
            (
                "transom connect A --proxy http://u:p@h:1 --wait",
                Some("transom connect A --proxy-file /proc/self/fd/N --wait"),
            ),
            (
                "transom serve --database=postgres://u:p@h/n --self-signed",
                Some("transom serve --database-file /proc/self/fd/N --self-signed"),
            ),
            (
                "transom agent --enroll a --proxy http://u@h:1",
                Some("transom agent --enroll-file /proc/self/fd/N --proxy-file /proc/self/fd/N"),
            ),
            ("transom agent --enroll - --to h:1", None),
            ("transom agent --enroll", None),
            ("transom agent --enroll-file f --proxy http://h:1", None),
            ("transom serve --database postgres://h/n", None),
            ("transom project add --enroll", None),
        ] {
            assert_eq!(hidden(line).as_deref(), expected, "{line}");
        }
    }
}
