//! Enrolment: a device that has only a token gets an address of its own.
//!
//! ```text
//! 1. makes a password and keeps it            folder/cloud-password (0600)
//! 2. proves that it has the token, and says
//!    what its password is verified by ──────► the server makes the address, or finds the one that it made for this verifier
//! 3. keeps which token it was                 folder/cloud-enrolment (0600)
//!    and the address                          folder/cloud-address (0600)
//! ```
//!
//! Wherever it is cut off, it goes on from there: a token whose address never arrived is used once more, with the same
//! password, and answered with the same address. Neither password nor token is ever sent.
//!
//! A device whose address is not taken any more may enrol anew, by another token: all three are made beside those that it
//! has (`.next`), and take their place once the address is there.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use transom_folder::{Folder, PRIVATE};
use transom_model::cloud::{CloudAddress, CloudPassword, EnrolmentToken, Verifier};
use transom_model::secret::Secret;
use transom_tunnel::{Fault, Refusal};

use crate::SetupError;
use crate::backoff::{Backoff, random};
use crate::control::{Control, Credentials};
use crate::server::Server;

const PASSWORD: &str = "cloud-password";
const MADE_BY: &str = "cloud-enrolment";
const ADDRESS: &str = "cloud-address";
/// Each is a line.
const MAX_FILE: u64 = 1024;

/// A device's own credentials, in a folder that only it reads.
#[derive(Debug)]
pub struct Enrolment {
    folder: Folder,
    password: Secret,
    address: Option<CloudAddress>,
    /// The token that the address was made of, by its id.
    made_by: Option<String>,
    /// Whether its files are made beside those of another address.
    is_next: bool,
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
    /// Opens the folder; makes it, and a password, where there is none. A folder or a file that could be somebody else's is
    /// refused.
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

    /// To be used where the server does not take the address any more: the device is to enrol anew by this token, with
    /// another password. None where the address was made of that same token, which has no more to give.
    pub fn anew(self, token: &str) -> Result<Option<Self>, SetupError> {
        let made_of_it = self.made_by == Some(read_token(token)?.id().to_string());
        if self.address.is_some() && made_of_it {
            return Ok(None);
        }
        let password = password(&self.folder, &next(PASSWORD))?;
        Ok(Some(Self { password, address: None, made_by: None, is_next: true, ..self }))
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
            let token = read_token(token)?;
            let asked = tokio::select! {
                () = stop.cancelled() => return Ok(None),
                asked = Control::enrol(server, &token, self.own(&token)) => asked,
            };
            let refusal = match asked.map(|address| address.parse::<CloudAddress>()) {
                Ok(Ok(address)) => {
                    self.keep(&token, &address)?;
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

    /// What the device says of itself: the same whenever it asks again, since the server knows it by that.
    fn own(&self, token: &EnrolmentToken) -> transom_tunnel::Enrolment {
        let password = CloudPassword::from(self.password.clone());
        let salt = salt(&self.password);
        let Verifier { stored_key, server_key, .. } = password.verifier(salt);
        let (id, proof) = (token.id().0.into_bytes(), [0; 32]);
        transom_tunnel::Enrolment { id, salt, stored_key, server_key, proof, binding: String::new() }
    }

    fn keep(&self, token: &EnrolmentToken, address: &CloudAddress) -> Result<(), SetupError> {
        let name = |name| if self.is_next { next(name) } else { String::from(name) };
        replace(&self.folder, &name(MADE_BY), &token.id().to_string())?;
        // What is there with it is whole.
        keep(&self.folder, &name(ADDRESS), address.as_str())?;
        adopt(&self.folder)
    }
}

fn read_token(token: &str) -> Result<EnrolmentToken, SetupError> {
    token.parse().map_err(SetupError::new)
}

/// The password that is kept under this name; a new one where there is none.
fn password(folder: &Folder, name: &str) -> Result<Secret, SetupError> {
    if read(folder, name)?.is_none() {
        let mut bytes = [0; CloudPassword::RANDOM];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| SetupError::passing("there is no randomness"))?;
        keep(folder, name, CloudPassword::from_random(bytes).expose())?;
    }
    // Another process may have been first: what stands there counts.
    let kept = read(folder, name)?.ok_or_else(|| SetupError::new("the password was not kept"))?;
    Ok(Secret::new(kept))
}

fn next(name: &str) -> String {
    format!("{name}.next")
}

/// Puts what was made beside in the place of what was there, once it is whole; goes on with that after a crash.
fn adopt(folder: &Folder) -> Result<(), SetupError> {
    if read(folder, &next(ADDRESS))?.is_none() {
        return Ok(());
    }
    // The address goes last: until then, this is done once more.
    for name in [PASSWORD, MADE_BY, ADDRESS] {
        folder.rename(&next(name), name)?;
    }
    Ok(folder.sync()?)
}

/// Drawn from the password itself, which is random: of no use to who would guess it, and the same after a crash.
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

/// Writes a file whole and to the disk, or not at all; never over another one.
fn keep(folder: &Folder, name: &str, text: &str) -> Result<(), SetupError> {
    Ok(folder.keep(name, format!("{text}\n").as_bytes(), PRIVATE).map(drop)?)
}

/// The same, over whatever is there.
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

    /// One of two.
    fn token(n: u8) -> EnrolmentToken {
        let letters = if n == 1 { "AQEB" } else { "AgIC" };
        letters.repeat(11)[..43].parse().expect("a token")
    }

    fn address(enrolment: &Enrolment) -> String {
        enrolment.credentials().expect("credentials").address.as_str().to_owned()
    }

    /// A folder that a umask of others' makes no wider.
    fn private() -> tempfile::TempDir {
        let mode = PermissionsExt::from_mode(0o700);
        tempfile::Builder::new().permissions(mode).tempdir().expect("a folder")
    }

    #[test]
    fn a_device_shows_the_same_after_a_crash_and_keeps_what_it_has() {
        let folder = private();
        let opened = || Enrolment::open(folder.path()).expect("opens");
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
    fn a_device_that_enrols_anew_has_the_old_address_or_the_new_one_wherever_it_is_cut_off() {
        let folder = private();
        let opened = || Enrolment::open(folder.path()).expect("opens");
        opened().keep(&token(1), &ADDRESSES[0].parse().expect("an address")).expect("kept");
        let before = opened().own(&token(2));
        assert!(
            opened().anew(token(1).text().expose()).expect("a token").is_none(),
            "it has no more to give"
        );
        let anew = || opened().anew(token(2).text().expose()).expect("a token").expect("another one");
        assert!(anew().own(&token(2)) == anew().own(&token(2)), "it asks again as the same device");
        assert!(anew().own(&token(2)) != before, "with another password");
        assert_eq!(address(&opened()), ADDRESSES[0]);
        // The address has come, and nothing has taken its place yet.
        let next_own = anew().own(&token(2));
        let own = Folder::open(folder.path()).expect("folder");
        replace(&own, &next(MADE_BY), &token(2).id().to_string()).expect("kept");
        keep(&own, &next(ADDRESS), ADDRESSES[1]).expect("kept");
        // Or only the password has.
        fs::rename(folder.path().join(next(PASSWORD)), folder.path().join(PASSWORD)).expect("renamed");
        assert_eq!(address(&opened()), ADDRESSES[1]);
        assert!(opened().own(&token(2)) == next_own);
        assert!(opened().anew(token(2).text().expose()).expect("a token").is_none());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    }
}
