//! Output of commands: results on stdout, everything else on stderr. Names come from machines,
//! devices and projects, so control characters in them are escaped.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use transom_model::name::{escape_hidden, escape_hidden_in_json};

use crate::failure::{Document, Failure};

/// Prints one line on stderr.
pub(crate) fn say(line: impl fmt::Display) {
    // This is a single write, so that lines of several programs do not mix. A closed stderr is no
    // reason to fail.
    let line = format!("{line}\n");
    let _ = io::stderr().write_all(escape_hidden(&line).as_bytes());
}

/// Prints one line on stdout.
pub(crate) fn line(line: impl fmt::Display) -> Result<(), Failure> {
    write(&escape_hidden(&format!("{line}\n")))
}

/// Prints one JSON document on stdout.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::ours)?;
    write(&escape_hidden_in_json(&format!("{text}\n")))
}

/// Prints one JSON object on one line.
pub(crate) fn json_line(object: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(object).map_err(Failure::ours)?;
    write(&escape_hidden_in_json(&format!("{text}\n")))
}

fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // A reader such as `head` may stop early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::theirs(format_args!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints the result of a change: a sentence on stderr, or JSON on stdout.
pub(crate) fn done(
    is_json: bool,
    object: &impl Serialize,
    sentence: impl fmt::Display,
) -> Result<(), Failure> {
    if is_json {
        return json(object);
    }
    say(sentence);
    Ok(())
}

/// Returns a count with its noun, such as "2 links".
pub(crate) fn counted(count: u32, what: &str) -> String {
    match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

/// Prints a table on stdout, or a sentence on stderr if the table would be empty.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], empty: &str) -> Result<(), Failure> {
    if rows.is_empty() {
        say(empty);
        return Ok(());
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([header[column].chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let print = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        line(padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    print(header.to_vec())?;
    for row in rows {
        print(row.iter().map(String::as_str).collect())?;
    }
    Ok(())
}

/// Shows the progress of long work, on a terminal only.
pub(crate) fn progress(text: fmt::Arguments<'_>) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[K{text}").and_then(|()| stderr.flush());
    }
}

/// Clears the line of progress.
pub(crate) fn progress_done() {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

/// Prints a failure on stderr, and also as JSON on stdout if the caller asked for JSON. Returns the
/// exit code.
pub(crate) fn report(failure: Failure, is_json: bool) -> ExitCode {
    let Failure { sentence, next_step, document, code } = failure;
    say(format_args!("transom: {sentence}"));
    if let Some(next_step) = &next_step {
        say(format_args!("         {next_step}"));
    }
    if is_json {
        let error = match document {
            Document::Sentence => serde_json::json!({ "message": sentence }),
            #[cfg(feature = "server")]
            Document::Error(error) => *error,
            #[cfg(feature = "server")]
            Document::Printed => return ExitCode::from(code),
        };
        // The reader of the JSON may have gone.
        let _ = json(&serde_json::json!({ "error": error }));
    }
    ExitCode::from(code)
}
