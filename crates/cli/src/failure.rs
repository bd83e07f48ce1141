//! Failures of commands: a sentence on stderr and an exit code. The code is 1 for a fault of the
//! user or of the far side, 2 for a fault of Transom or of this machine such as a full disk, and 10
//! to 19 for the named faults of devices and their viewers.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use transom_agent::{Refusal, SetupError};
use transom_folder::FolderError;

const THEIRS: u8 = 1;
const OURS: u8 = 2;

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) sentence: String,
    pub(crate) next_step: Option<String>,
    pub(crate) document: Document,
    pub(crate) code: u8,
}

/// The JSON document of a failed command, for `--json`.
#[derive(Debug)]
pub(crate) enum Document {
    /// The sentence, as an error.
    Sentence,
    /// The server's error.
    #[cfg(feature = "server")]
    Error(Box<serde_json::Value>),
    /// The command has printed its result, which says what failed.
    #[cfg(feature = "server")]
    Printed,
}

impl Failure {
    /// A failure whose cause is the user or the far side.
    pub(crate) fn theirs(sentence: impl Display) -> Self {
        Self { sentence: sentence.to_string(), next_step: None, document: Document::Sentence, code: THEIRS }
    }

    /// A failure of Transom itself.
    pub(crate) fn ours(sentence: impl Display) -> Self {
        Self { code: OURS, ..Self::theirs(sentence) }
    }

    /// A failure of this machine, such as a full disk. If it may pass without the user's help, its
    /// code makes a service manager start the program again.
    pub(crate) fn of_machine(sentence: impl Display, error: &io::Error) -> Self {
        let code = if transom_folder::is_transient(error) { OURS } else { THEIRS };
        Self { code, ..Self::theirs(format_args!("{sentence}: {error}")) }
    }

    /// The failure of a server to start.
    #[cfg(feature = "server")]
    pub(crate) fn of_start(error: transom_server::StartError) -> Self {
        match error.next_step() {
            Some(next_step) => Self::theirs(error).with_next_step(next_step),
            None => Self::theirs(error),
        }
    }

    /// The refusal of a device or its viewer, with the refusal's own exit code.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self { code: refusal.code.exit_code(), ..Self::theirs(refusal) }.with_next_step(refusal.next_step())
    }

    /// The failure to listen at this place, which the user named with that flag.
    pub(crate) fn no_listening(place: impl Display, flag: &str, error: &io::Error) -> Self {
        let failure = Self::theirs(format_args!("cannot listen on {place}: {error}"));
        match error.kind() {
            io::ErrorKind::AddrInUse => failure.with_next_step(format_args!(
                "Another program is listening there. Stop it, or choose another address with {flag}."
            )),
            io::ErrorKind::AddrNotAvailable => failure.with_next_step(
                "This machine does not have this address. 0.0.0.0 stands for all its addresses.",
            ),
            _ => failure,
        }
    }

    /// Adds the next step.
    pub(crate) fn with_next_step(self, next_step: impl Display) -> Self {
        Self { next_step: Some(next_step.to_string()), ..self }
    }

    /// Names the item that failed, for commands that work on several.
    pub(crate) fn of(self, what: impl Display) -> Self {
        Self { sentence: format!("{what}: {}", self.sentence), ..self }
    }

    /// Adds the server's answer, for `--json`.
    #[cfg(feature = "server")]
    pub(crate) fn with_detail(self, detail: serde_json::Value) -> Self {
        Self { document: Document::Error(Box::new(detail)), ..self }
    }

    /// The command has printed its result, which says what failed.
    #[cfg(feature = "server")]
    pub(crate) fn with_printed_result(self) -> Self {
        Self { document: Document::Printed, ..self }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        if error.passes() { Self::ours(error) } else { Self::theirs(error) }
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::ours(error)
    }
}

/// Prints the error of a command line that cannot be parsed, and returns the user's code. Help and
/// version are not failures.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // If this cannot be printed, there is no other way to report it.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(THEIRS) } else { ExitCode::SUCCESS }
}
