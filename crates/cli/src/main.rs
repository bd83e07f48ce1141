//! The `transom` command.

mod args;
mod browser;
mod client;
mod command;
mod failure;
mod output;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return failure::usage(&error),
    };
    let json = args.common.json;
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let Args { common, command } = args;
    let serving = matches!(command, Command::Serve(_) | Command::Demo(_));
    let runtime = if serving {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    };
    let runtime = runtime.map_err(Failure::ours)?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(serve) => command::serve::run(&common, serve).await,
            Command::Demo(demo) => command::demo::run(demo).await,
            Command::Project(project) => command::project::run(&common, project).await,
            Command::Key(key) => command::key::run(&common, key).await,
            Command::Instance(instance) => command::instance::run(&common, instance).await,
            Command::Address(address) => command::address::run(&common, address).await,
            Command::Agent(agent) => command::agent::run(&common, agent).await,
            Command::Connect(connect) => command::connect::run(&common, connect).await,
            Command::Console(console) => command::console::run(&common, console).await,
            Command::Grant(grant) => command::grant::run(&common, grant).await,
            Command::Session(session) => command::session::run(&common, session).await,
            Command::Audit(audit) => command::audit::run(&common, audit).await,
        }
    });
    // Somebody may still be reading standard input, and would keep us until its next line.
    runtime.shutdown_background();
    done
}
