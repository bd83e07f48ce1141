//! Enrolment: a device that has only a token gets an address of its own.
//!
//! ```text
//! 1. makes a password and keeps it            folder/cloud-password (0600)
//! 2. shows the token and the verifier ──────► the server makes the address, or finds the one that it made for this verifier
//! 3. keeps the address                        folder/cloud-address (0600)
//! ```
//!
//! Wherever it is cut off, it goes on from there: a token whose address never arrived is shown once more, with the same
//! password, and answered with the same address. The password itself is never sent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use transom_model::cloud::{CloudAddress, CloudPassword, Verifier};
use transom_model::secret::Secret;
use transom_tunnel::{Fault, Refusal};

use crate::backoff::{Backoff, random};
use crate::control::{Control, Credentials};
use crate::server::Server;
use crate::{SetupError, unreachable};

const PASSWORD: &str = "cloud-password";
const ADDRESS: &str = "cloud-address";
/// Both are a line.
const MAX_FILE: u64 = 1024;

/// A device's own credentials, in a folder that only it reads.
#[derive(Debug)]
pub struct Enrolment {
    folder: PathBuf,
    password: Secret,
    address: Option<CloudAddress>,
}

/// Why a device has no address.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The server does not give it one.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The folder cannot be used.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl Enrolment {
    /// Opens the folder, which must exist; makes a password where there is none.
    pub fn open(folder: &Path) -> Result<Self, SetupError> {
        let password = match read(&folder.join(PASSWORD))? {
            Some(password) => password,
            None => {
                let mut bytes = [0; CloudPassword::RANDOM];
                aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SetupError::new("there is no randomness"))?;
                keep(folder, PASSWORD, CloudPassword::from_random(bytes).expose())?;
                // Another process may have been first: what stands there counts.
                read(&folder.join(PASSWORD))?.ok_or_else(|| SetupError::new("the password was not kept"))?
            }
        };
        let address = read(&folder.join(ADDRESS))?.map(|text| text.parse()).transpose();
        let address =
            address.map_err(|error| SetupError::new(format_args!("{}: {error}", folder.display())))?;
        Ok(Self { folder: folder.to_owned(), password: Secret::new(password), address })
    }

    /// The address and its password, where the device has them already.
    #[must_use]
    pub fn credentials(&self) -> Option<Credentials> {
        let address = self.address.clone()?;
        Some(Credentials::new(address, self.password.expose()))
    }

    /// Gets an address for a token, unless the device has one; tries until it has, until the server refuses for good, or
    /// until told to stop: then it answers none. `wait` hears why it has to wait, and how long.
    pub async fn enrol(
        mut self,
        server: &Server,
        token: &str,
        wait: impl Fn(&Refusal, Duration),
        stop: &CancellationToken,
    ) -> Result<Option<Credentials>, EnrolmentError> {
        let mut backoff = Backoff::default();
        while self.address.is_none() {
            let asked = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                asked = Control::enrol(server, self.shown(token)?) => asked,
            };
            let refusal = match asked.map(|address| address.parse::<CloudAddress>()) {
                Ok(Ok(address)) => {
                    keep(&self.folder, ADDRESS, address.as_str())?;
                    self.address = Some(address);
                    continue;
                }
                Ok(Err(error)) => Refusal::from(Fault::ProtocolError).because(error.to_string()),
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

    /// What the server is shown: the same whenever it is asked again, since it knows this device by it.
    fn shown(&self, token: &str) -> Result<transom_tunnel::Enrolment, Refusal> {
        let password = CloudPassword::from(self.password.clone());
        let salt = salt(&self.password);
        let Verifier { stored_key, server_key, .. } = password.verifier(salt);
        if token.is_empty() || token.len() > transom_tunnel::message::MAX_TEXT {
            return Err(unreachable("the enrolment token is not one"));
        }
        Ok(transom_tunnel::Enrolment { salt, stored_key, server_key, token: token.to_owned() })
    }
}

/// Drawn from the password itself, which is random: of no use to who would guess it, and the same after a crash.
fn salt(password: &Secret) -> [u8; 16] {
    let hash = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        &[b"transom enrolment salt ", password.expose().as_bytes()].concat(),
    );
    std::array::from_fn(|n| hash.as_ref()[n])
}

fn read(path: &Path) -> Result<Option<String>, SetupError> {
    let failed = |error: io::Error| SetupError::new(format_args!("{}: {error}", path.display()));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(metadata) if metadata.len() > MAX_FILE => Err(failed(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => fs::read_to_string(path).map(|text| Some(text.trim_end().to_owned())).map_err(failed),
    }
}

/// Writes a file whole and to the disk, or not at all; never over another one.
fn keep(folder: &Path, name: &str, text: &str) -> Result<(), SetupError> {
    let path = folder.join(name);
    let fresh = folder.join(format!("{name}.{}", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_all()?;
        let linked = fs::hard_link(&fresh, &path);
        fs::remove_file(&fresh)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        File::open(folder)?.sync_all()
    })();
    written.map_err(|error: io::Error| SetupError::new(format_args!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_device_shows_the_same_after_a_crash_and_keeps_what_it_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = Enrolment::open(folder.path()).expect("opens").shown("token").expect("shown");
        let after = Enrolment::open(folder.path()).expect("opens").shown("token").expect("shown");
        assert!(before == after);
        let address = "ztgDAEjLLP4yHwHrdz9.ztgPXJMFsk1NiEGpbAx.livEXXxXXSrGS1urBF5.FCRPRHbrZPyfmS6Nt4M";
        keep(folder.path(), ADDRESS, address).expect("kept");
        keep(folder.path(), ADDRESS, "another").expect("not kept");
        let credentials = Enrolment::open(folder.path()).expect("opens").credentials().expect("credentials");
        assert_eq!(credentials.address.as_str(), address);
        for name in [PASSWORD, ADDRESS] {
            let mode = fs::metadata(folder.path().join(name)).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
    }
}
