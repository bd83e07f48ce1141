//! Enrollment: a device that has only a token gets an address of its own.
//!
//! ```text
//! 1. makes and stores a password              folder/cloud-password (0600)
//! 2. proves that it has the token, and sends
//!    its password's verifier ───────────────► the server makes the address, or finds the one
//!                                             that it made for this verifier
//! 3. stores the id of the token               folder/cloud-enrolment (0600)
//!    and the address                          folder/cloud-address (0600)
//! ```
//!
//! After a crash at any point, the device continues from there. If the address never arrived, the
//! device uses the token once more with the same password, and gets the same address. Neither
//! password nor token is ever sent.
//!
//! A device whose address is no longer accepted may enroll again with another token. The agent
//! makes all three files beside the old ones (`.next`), and replaces them once the address has
//! arrived.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use transom_folder::{Folder, PRIVATE};
use transom_model::cloud::{CloudAddress, CloudPassword, EnrollmentToken, Verifier};
use transom_model::secret::Secret;
use transom_tunnel::{Refusal, RefusalCode};

use crate::backoff::{Backoff, random};
use crate::control::{ControlConnection, Credentials};
use crate::error::SetupError;
use crate::server::Server;

const PASSWORD: &str = "cloud-password";
const MADE_BY: &str = "cloud-enrolment";
const ADDRESS: &str = "cloud-address";
/// The longest file: each holds one line.
const MAX_FILE: u64 = 1024;

/// A device's own credentials, in a folder that only it can read.
#[derive(Debug)]
pub struct Enrollment {
    folder: Folder,
    password: Secret,
    address: Option<CloudAddress>,
    /// The id of the token that the address was made with.
    made_by: Option<String>,
    /// True if the files are made beside those of another address.
    is_next: bool,
}

/// The reason why a device has no address.
#[derive(Debug, thiserror::Error)]
pub enum EnrollmentError {
    /// The server refuses to give an address.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The folder or the token cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Enrollment {
    /// Opens the folder. If they do not exist, creates the folder and a password. A folder or file
    /// that could belong to another user is refused.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let folder = Folder::open(folder)?;
        adopt(&folder)?;
        let password = password(&folder, PASSWORD)?;
        let address = read(&folder, ADDRESS)?.map(|text| text.parse()).transpose();
        let address = address
            .map_err(|error| SetupError::new(format_args!("{}: {error}", folder.at(ADDRESS).display())))?;
        let made_by = read(&folder, MADE_BY)?;
        Ok(Self { folder, password, address, made_by, is_next: false })
    }

    /// Prepares a second enrollment with another token and another password, after the server has
    /// stopped accepting the address. `None` if the address was made with this same token, which
    /// cannot give another one.
    pub fn again_with(self, token: &str) -> Result<Option<Self>, SetupError> {
        let made_of_it = self.made_by == Some(read_token(token)?.id().to_string());
        if self.address.is_some() && made_of_it {
            return Ok(None);
        }
        let password = password(&self.folder, &next(PASSWORD))?;
        Ok(Some(Self { password, address: None, made_by: None, is_next: true, ..self }))
    }

    /// The address and its password. `None` if the device has no address yet.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        let address = self.address.clone()?;
        Some(Credentials::new(address, self.password.expose()))
    }

    /// Gets an address for a token, unless the device has one. Tries again until the server refuses
    /// for good. `None` if `stop` is cancelled first. `wait` receives the reason and length of each
    /// delay.
    pub async fn enroll(
        mut self,
        server: &Server,
        token: &str,
        wait: impl Fn(&Refusal, Duration),
        stop: &CancellationToken,
    ) -> Result<Option<Credentials>, EnrollmentError> {
        let mut backoff = Backoff::default();
        while self.address.is_none() {
            let token = read_token(token)?;
            let asked = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                asked = ControlConnection::enroll(server, &token, self.own(&token)) => asked,
            };
            let refusal = match asked.map(|address| address.parse::<CloudAddress>()) {
                Ok(Ok(address)) => {
                    self.keep(&token, &address)?;
                    self.address = Some(address);
                    continue;
                }
                Ok(Err(error)) => Refusal::from(RefusalCode::ProtocolError).because(error.to_string()),
                Err(refusal) => refusal,
            };
            let Some(pause) = backoff.after(&refusal, random()) else { return Err(refusal.into()) };
            wait(&refusal, pause);
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = sleep(pause) => {}
            }
        }
        Ok(self.credentials())
    }

    /// The device's request. It stays the same for as long as the password does, since the server
    /// recognises the device by it.
    fn own(&self, token: &EnrollmentToken) -> transom_tunnel::Enrollment {
        let password = CloudPassword::from(self.password.clone());
        let salt = salt(&self.password);
        let Verifier { stored_key, server_key, .. } = password.verifier(salt);
        let (id, proof) = (token.id().0.into_bytes(), [0; 32]);
        transom_tunnel::Enrollment { id, salt, stored_key, server_key, proof, binding: String::new() }
    }

    fn keep(&self, token: &EnrollmentToken, address: &CloudAddress) -> Result<(), SetupError> {
        let name = |name| if self.is_next { next(name) } else { String::from(name) };
        replace(&self.folder, &name(MADE_BY), &token.id().to_string())?;
        // The address comes last: if it is there, the rest is complete.
        keep(&self.folder, &name(ADDRESS), address.as_str())?;
        adopt(&self.folder)
    }
}

fn read_token(token: &str) -> Result<EnrollmentToken, SetupError> {
    token.parse().map_err(SetupError::new)
}

/// Reads the password of this name, or creates one.
fn password(folder: &Folder, name: &str) -> Result<Secret, SetupError> {
    if read(folder, name)?.is_none() {
        let mut bytes = [0; CloudPassword::RANDOM];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SetupError::passing("the system has no randomness"))?;
        keep(folder, name, CloudPassword::from_random(bytes).expose())?;
    }
    // Another process may have been first: the file counts.
    let kept = read(folder, name)?.ok_or_else(|| SetupError::new("the password was not stored"))?;
    Ok(Secret::new(kept))
}

fn next(name: &str) -> String {
    format!("{name}.next")
}

/// Replaces the old files by new ones beside them, once those are complete. Continues after a
/// crash.
fn adopt(folder: &Folder) -> Result<(), SetupError> {
    if read(folder, &next(ADDRESS))?.is_none() {
        return Ok(());
    }
    // The address moves last: until then, all of this is repeated.
    for name in [PASSWORD, MADE_BY, ADDRESS] {
        folder.rename(&next(name), name)?;
    }
    Ok(folder.sync()?)
}

/// Derives the salt from the random password. It does not help to guess the password, and is the
/// same after a crash.
fn salt(password: &Secret) -> [u8; 16] {
    let hash = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        &[b"transom enrolment salt ", password.expose().as_bytes()].concat(),
    );
    std::array::from_fn(|n| hash.as_ref()[n])
}

fn read(folder: &Folder, name: &str) -> Result<Option<String>, SetupError> {
    let Some(bytes) = folder.read(name, MAX_FILE)? else { return Ok(None) };
    let wrong = |_| SetupError::new(format_args!("{}: it is not text", folder.at(name).display()));
    String::from_utf8(bytes).map(|text| Some(text.trim_end().to_owned())).map_err(wrong)
}

/// Writes a file to the disk, whole or not at all. Never replaces a file.
fn keep(folder: &Folder, name: &str, text: &str) -> Result<(), SetupError> {
    Ok(folder.create(name, format!("{text}\n").as_bytes(), PRIVATE).map(drop)?)
}

/// Writes a file in the same way, but replaces an existing one.
fn replace(folder: &Folder, name: &str, text: &str) -> Result<(), SetupError> {
    Ok(folder.replace(name, format!("{text}\n").as_bytes(), PRIVATE)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ADDRESSES: [&str; 2] = [
        "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M",
        "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4N",
    ];

    /// The first or the second of two tokens.
    fn token(n: u8) -> EnrollmentToken {
        let letters = if n == 1 { "AQEB" } else { "AgIC" };
        letters.repeat(11)[..43].parse().expect("a token")
    }

    fn address(enrollment: &Enrollment) -> String {
        enrollment.credentials().expect("credentials").address.as_str().to_owned()
    }

    /// A private folder, whatever the umask.
    fn private() -> tempfile::TempDir {
        let mode = PermissionsExt::from_mode(0o700);
        tempfile::Builder::new().permissions(mode).tempdir().expect("a folder")
    }

    #[test]
    fn a_device_sends_the_same_request_after_a_crash_and_never_replaces_its_address() {
        let folder = private();
        let opened = || Enrollment::open(folder.path()).expect("opens");
        let token = token(1);
        assert!(opened().own(&token) == opened().own(&token));
        opened().keep(&token, &ADDRESSES[0].parse().expect("an address")).expect("kept");
        opened().keep(&token, &ADDRESSES[1].parse().expect("an address")).expect("not kept");
        assert_eq!(address(&opened()), ADDRESSES[0]);
        for name in [PASSWORD, MADE_BY, ADDRESS] {
            let mode = fs::metadata(folder.path().join(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    }

    #[test]
    fn a_second_enrollment_leaves_the_old_address_or_the_new_one_after_a_crash() {
        let folder = private();
        let opened = || Enrollment::open(folder.path()).expect("opens");
        opened().keep(&token(1), &ADDRESSES[0].parse().expect("an address")).expect("kept");
        let before = opened().own(&token(2));
        assert!(
            opened().again_with(token(1).text().expose()).expect("a token").is_none(),
            "it has no more to give"
        );
        let anew = || opened().again_with(token(2).text().expose()).expect("a token").expect("another one");
        assert!(anew().own(&token(2)) == anew().own(&token(2)), "it asks again as the same device");
        assert!(anew().own(&token(2)) != before, "with another password");
        assert_eq!(address(&opened()), ADDRESSES[0]);
        // The address has arrived, but has not replaced the old one yet.
        let next_own = anew().own(&token(2));
        let own = Folder::open(folder.path()).expect("folder");
        replace(&own, &next(MADE_BY), &token(2).id().to_string()).expect("kept");
        keep(&own, &next(ADDRESS), ADDRESSES[1]).expect("kept");
        // Only the password has been replaced.
        fs::rename(folder.path().join(next(PASSWORD)), folder.path().join(PASSWORD)).expect("renamed");
        assert_eq!(address(&opened()), ADDRESSES[1]);
        assert!(opened().own(&token(2)) == next_own);
        assert!(opened().again_with(token(2).text().expose()).expect("a token").is_none());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    }
}
