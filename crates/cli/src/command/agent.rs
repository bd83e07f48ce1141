//! `transom agent`

use std::path::Path;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use transom_agent::{
    Agent, Credentials, Ending, Enrolment, EnrolmentError, Policy, Refusal, Server, Status, Targets,
};

use super::device::{self, Setup};
use crate::args::{self, Common};
use crate::failure::Failure;
use crate::output::say;

pub(crate) async fn run(common: &Common, agent: args::Agent) -> Result<(), Failure> {
    let Setup { server, identity, folder } = Setup::read(common, &agent.joining)?;
    let targets = Targets::parse(&agent.targets).map_err(Failure::theirs)?;
    let policy =
        Policy { allow_keys: agent.allow_keys, end_to_end_only: agent.end_to_end_only, ..Policy::default() };
    say(format_args!("This device's key is {}", identity.public()));
    let stop = CancellationToken::new();
    let credentials = match (agent.address, agent.password_file, agent.enroll) {
        (Some(address), Some(password_file), _) => device::credentials(address, &password_file)?,
        (_, _, Some(token)) => {
            let enrolled = device::run(stop.clone(), enrol(&server, &folder, &token, &stop)).await?;
            let Some(credentials) = enrolled? else { return Ok(()) };
            credentials
        }
        _ => return Err(Failure::theirs("neither an address nor an enrolment token was given")),
    };
    let agent = Agent { server, credentials, identity, targets, policy };
    let ran = device::run(stop.clone(), agent.run(|status| tell(&status), stop)).await?;
    ran.map_err(|refusal| Failure::refused(&refusal))
}

/// The device's own credentials: those that it has, or those that it gets for the token; none where it is to end.
async fn enrol(
    server: &Server,
    folder: &Path,
    token: &str,
    stop: &CancellationToken,
) -> Result<Option<Credentials>, Failure> {
    let enrolment = Enrolment::open(folder).map_err(Failure::theirs)?;
    if let Some(credentials) = enrolment.credentials() {
        return Ok(Some(credentials));
    }
    let waits = |refusal: &Refusal, wait: Duration| {
        say(format_args!("{refusal} Next try in {} s.", wait.as_secs()));
        advise(refusal);
    };
    let enrolled = enrolment.enrol(server, token, waits, stop).await.map_err(|error| match error {
        EnrolmentError::Refused(refusal) => Failure::refused(&refusal)
            .with_next_step("Make another enrolment token: transom address enroll --key ID"),
        EnrolmentError::Setup(error) => Failure::theirs(error),
    })?;
    if let Some(credentials) = &enrolled {
        say(format_args!("Enrolled as {}", credentials.address));
    }
    Ok(enrolled)
}

fn tell(status: &Status) {
    match status {
        Status::Searching => say("Searching"),
        Status::Online => say("Online"),
        Status::Waiting(refusal, wait) => {
            say(format_args!("{refusal} Next try in {} s.", wait.as_secs()));
            advise(refusal);
        }
        Status::SentAway(refusal) => {
            say(format_args!("{refusal} Nobody can come any more; sessions go on."));
        }
        Status::Opened { peer, phrase, new } => {
            let known = if *new { "for the first time; compare" } else { "as before" };
            say(format_args!("{peer} is connected, {known}: {phrase}"));
        }
        Status::Refused { peer, why } => say(format_args!("{peer} was refused: {why}")),
        Status::Closed { peer, ending } => say(format_args!("{peer} {}", how(*ending))),
    }
}

/// What to do, where that is known of this one case.
fn advise(refusal: &Refusal) {
    if let Some(advice) = refusal.advice {
        say(format_args!("         {advice}"));
    }
}

fn how(ending: Ending) -> &'static str {
    match ending {
        Ending::Far => "has left",
        Ending::Near => "was sent away: the target closed its connection",
        Ending::Dropped => "was lost",
        Ending::Stopped => "was sent away: this agent ends",
    }
}
