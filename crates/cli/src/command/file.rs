//! Files that commands read; `-` is standard input.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use crate::failure::Failure;

/// The lengths of the files of vncpasswd and similar programs: an obfuscated password of eight
/// characters, and optionally a second one for view-only access.
#[cfg(feature = "server")]
const OBFUSCATED: [usize; 2] = [8, 16];
/// The advice for a file that does not contain a password in plain text.
#[cfg(feature = "server")]
const ONE_LINE: &str = "Write the plain password to a file of one line, or pipe it in (--password-file -)";

/// Reads the content.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let text = String::from_utf8(bytes(path)?);
    text.map_err(|_| Failure::theirs(format_args!("cannot read {}: it is not text", path.display())))
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    bytes.map_err(|error| Failure::of_machine(format_args!("cannot read {}", path.display()), &error))
}

/// Reads a secret that stands alone in a file. One trailing newline belongs to the editor and not
/// to the secret.
pub(crate) fn read_password(path: &Path) -> Result<String, Failure> {
    Ok(without_newline(read(path)?))
}

/// Reads a password for a VNC server from a file of one line.
#[cfg(feature = "server")]
pub(super) fn read_vnc_password(path: &Path) -> Result<String, Failure> {
    let bytes = bytes(path)?;
    let place = path.display();
    if is_obfuscated(&bytes) {
        return Err(Failure::theirs(format_args!(
            "{place} was written by vncpasswd, which obfuscates the password. Transom cannot read such a file"
        ))
        .with_next_step(format_args!("{ONE_LINE}.")));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Failure::theirs(format_args!("cannot read {place}: it is not text")))?;
    let password = without_newline(text);
    if password.is_empty() {
        return Err(Failure::theirs(format_args!("{place} contains no password")).with_next_step(format_args!(
            "{ONE_LINE}. To remove the current password: transom instance set ID --project P --no-password"
        )));
    }
    if password.contains(['\n', '\r']) {
        return Err(Failure::theirs(format_args!("{place} contains more than one line"))
            .with_next_step(format_args!("{ONE_LINE}.")));
    }
    Ok(password)
}

fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// Returns whether this is binary data of a length that vncpasswd writes. An obfuscated password
/// looks like text about once in a thousand times.
#[cfg(feature = "server")]
fn is_obfuscated(bytes: &[u8]) -> bool {
    let is_text = std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.trim_end_matches(['\r', '\n']).contains(char::is_control));
    OBFUSCATED.contains(&bytes.len()) && !is_text
}
