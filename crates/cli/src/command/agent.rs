//! `transom agent`

use tokio_util::sync::CancellationToken;
use transom_agent::{Agent, Ending, Policy, Status, Targets};

use super::device::{self, Setup};
use crate::args::{self, Common};
use crate::failure::Failure;
use crate::output::say;

pub(crate) async fn run(common: &Common, agent: args::Agent) -> Result<(), Failure> {
    let Setup { server, credentials, identity } = Setup::read(common, &agent.joining)?;
    let targets = Targets::parse(&agent.targets).map_err(Failure::theirs)?;
    let policy = Policy { allow_keys: agent.allow_keys, end_to_end_only: agent.end_to_end_only };
    say(format_args!("This device's key is {}", identity.public()));
    let stop = CancellationToken::new();
    let agent = Agent { server, credentials, identity, targets, policy };
    let ran = device::run(stop.clone(), agent.run(|status| tell(&status), stop)).await?;
    ran.map_err(|refusal| Failure::refused(&refusal))
}

fn tell(status: &Status) {
    match status {
        Status::Searching => say("Searching"),
        Status::Online => say("Online"),
        Status::Waiting(refusal, wait) => {
            say(format_args!("{refusal} Next try in {} s.", wait.as_secs()));
        }
        Status::Opened { peer, phrase, new } => {
            let known = if *new { "for the first time; compare" } else { "as before" };
            say(format_args!("{peer} is connected, {known}: {phrase}"));
        }
        Status::Refused { peer, why } => say(format_args!("{peer} was refused: {why}")),
        Status::Closed { peer, ending } => say(format_args!("{peer} {}", how(*ending))),
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
