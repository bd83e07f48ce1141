//! `transom agent`

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use transom_agent::{
    Agent, Credentials, Ending, Enrollment, EnrollmentError, Policy, Refusal, RefusalCode, Server, Status,
    Targets,
};
use transom_model::cloud::CloudAddress;

use super::device::{self, Setup};
use super::file::read_password;
use crate::args::{self, Common, OptionalAddress};
use crate::failure::Failure;
use crate::output::say;

/// The advice to create another token.
const ANOTHER: &str = "Create another enrollment token: transom enrollment add --key ID";
/// The advice on the two ways for a device to start.
const EITHER: &str = "Give --enroll TOKEN (to create one: transom enrollment add --key ID), or --address A --password-file FILE \
                      (to issue one: transom address add --key ID --action listen).";

pub(crate) async fn run(common: &Common, given: args::Agent) -> Result<(), Failure> {
    let Setup { server, identity, folder } = Setup::read(common, &given.joining)?;
    let _alone = identity.lock_folder()?;
    let targets = Targets::parse(&given.targets)?;
    let policy =
        Policy { allow_keys: given.allow_keys, end_to_end_only: given.end_to_end_only, ..Policy::default() };
    say(format_args!("This device's key is {}", identity.public()));
    let stop = CancellationToken::new();
    let agent = |credentials| Agent {
        server: server.clone(),
        credentials,
        identity: identity.clone(),
        targets: targets.clone(),
        policy: policy.clone(),
    };
    let address = given.address.and_then(|OptionalAddress(address)| address);
    if let (Some(address), Some(password_file)) = (address, given.password_file) {
        let agent = agent(device::credentials(address, &password_file)?);
        let ran = device::run(stop.clone(), agent.run(|status| tell(&status), stop)).await?;
        return ran.map_err(|refusal| Failure::refused(&refusal));
    }
    let token = match (given.enroll, given.enroll_file) {
        (Some(token), _) if token == "-" => Some(read_password(Path::new("-"))?),
        (Some(token), _) => Some(token),
        (None, Some(file)) => Some(read_password(&file)?),
        (None, None) => None,
    };
    let token = token.filter(|token| !token.is_empty());
    let enrolled = Enrolled { server: &server, folder: &folder, token: token.as_deref(), stop: &stop };
    device::run(stop.clone(), enrolled.run(agent)).await?
}

/// A device that gets its address for an enrollment token.
struct Enrolled<'a> {
    server: &'a Server,
    folder: &'a Path,
    /// The enrollment token, if one was given.
    token: Option<&'a str>,
    stop: &'a CancellationToken,
}

impl Enrolled<'_> {
    /// Runs under the device's address. If it has none, or the server no longer accepts it, the
    /// token obtains one.
    async fn run(&self, agent: impl Fn(Credentials) -> Agent) -> Result<(), Failure> {
        let enrollment = Enrollment::open(self.folder)?;
        let agent = |credentials| agent(credentials).run(|status| tell(&status), self.stop.clone());
        let enrollment = match enrollment.credentials() {
            None => enrollment,
            Some(credentials) => {
                let address = credentials.address.clone();
                let refusal = match agent(credentials).await {
                    Err(refusal) if refusal.code == RefusalCode::CloudAuthenticationFailed => refusal,
                    ran => return ran.map_err(|refusal| Failure::refused(&refusal)),
                };
                let anew = match self.token {
                    Some(token) => enrollment.again_with(token)?,
                    None => None,
                };
                let Some(anew) = anew else { return Err(gone(&refusal, &address)) };
                say(format_args!(
                    "{refusal} The server no longer accepts {address}. Enrolling again with the new token."
                ));
                anew
            }
        };
        let Some(credentials) = self.enroll(enrollment).await? else { return Ok(()) };
        let address = credentials.address.clone();
        agent(credentials).await.map_err(|refusal| match refusal.code {
            RefusalCode::CloudAuthenticationFailed => gone(&refusal, &address),
            _ => Failure::refused(&refusal),
        })
    }

    /// Returns the credentials that the device gets for the token. `None` if the agent is told to
    /// stop.
    async fn enroll(&self, enrollment: Enrollment) -> Result<Option<Credentials>, Failure> {
        let waits = |refusal: &Refusal, wait: Duration| {
            say(format_args!("{refusal} Retrying in {} s.", wait.as_secs()));
            device::advise(refusal);
        };
        let token = self.token.ok_or_else(|| {
            Failure::theirs(
                "this device has no address yet, and neither an enrollment token nor an address was given",
            )
            .with_next_step(EITHER)
        })?;
        let enrolled = enrollment.enroll(self.server, token, waits, self.stop).await;
        let enrolled = enrolled.map_err(|error| match error {
            EnrollmentError::Refused(refusal) if refusal.code == RefusalCode::CloudAuthenticationFailed => {
                Failure::refused(&refusal).with_next_step(ANOTHER)
            }
            EnrollmentError::Refused(refusal) => Failure::refused(&refusal),
            EnrollmentError::Setup(error) => error.into(),
        })?;
        if let Some(credentials) = &enrolled {
            say(format_args!("Enrolled as {}", credentials.address));
        }
        Ok(enrolled)
    }
}

/// The failure if the server does not accept the address that a token made, and there is no other
/// token.
fn gone(refusal: &Refusal, address: &CloudAddress) -> Failure {
    Failure::refused(refusal).with_next_step(format_args!(
        "The server no longer accepts {address}, this device's address: it was removed, or its password was reset. \
         {ANOTHER}"
    ))
}

fn tell(status: &Status) {
    match status {
        Status::Searching => say("Searching"),
        Status::Online => say("Online"),
        Status::Waiting(refusal, wait) => {
            say(format_args!("{refusal} Retrying in {} s.", wait.as_secs()));
            device::advise(refusal);
        }
        Status::SentAway(refusal) => {
            say(format_args!("{refusal} New viewers cannot connect; open sessions continue."));
        }
        Status::Opened { peer, phrase, new, unsaved } => {
            if let Some(why) = unsaved {
                say(format_args!(
                    "{peer} presents its key for the first time, but the key cannot be saved: {why}. This agent trusts it until \
                     it ends, and saves it as soon as possible."
                ));
            }
            let known = if *new {
                "for the first time; compare this phrase with its viewer"
            } else {
                "with the previous key"
            };
            say(format_args!("{peer} is connected, {known}: {phrase}"));
        }
        Status::Refused { peer, why } => say(format_args!("{peer} was refused: {why}")),
        Status::Closed { peer, ending } => say(format_args!("{peer} {}", how(*ending))),
    }
}

fn how(ending: Ending) -> &'static str {
    match ending {
        Ending::Far => "has left",
        Ending::Near => "was disconnected: the target closed its connection",
        Ending::Dropped => "was lost",
        Ending::Stopped => "was disconnected: this agent is stopping",
    }
}
