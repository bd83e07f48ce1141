//! The `transom` command.

mod args;
#[cfg(feature = "server")]
mod browser;
#[cfg(feature = "server")]
mod client;
mod command;
mod failure;
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "the operators' commands print more"))]
mod output;
mod process_list;

use std::process::ExitCode;

use tokio::runtime::Builder;

use args::{Args, Command};
use failure::Failure;

fn main() -> ExitCode {
    process_list::hide_secrets();
    let args = match Args::read() {
        Ok(args) => args,
        Err(error) => return failure::usage(&error),
    };
    let json = args.common.json;
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::report(failure, json),
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let Args { common, command } = args;
    let mut builder = if serves(&command) { for_many() } else { Builder::new_current_thread() };
    let runtime = builder.enable_all().build().map_err(Failure::ours)?;
    let done = runtime.block_on(async {
        match command {
            #[cfg(feature = "server")]
            Command::Operate(operate) => command::operate(&common, operate).await,
            Command::Agent(agent) => command::agent::run(&common, agent).await,
            Command::Connect(connect) => command::connect::run(&common, connect).await,
        }
    });
    // A task may still read standard input, and would delay the exit until the next line.
    runtime.shutdown_background();
    done
}

/// A runtime with one thread fewer than processors. The last processor runs the database's thread
/// and the kernel's network work. With one thread more, every session costs a tenth more, because
/// the threads pass work to each other.
fn for_many() -> Builder {
    let mut builder = Builder::new_multi_thread();
    // Tokio reads this variable unless the program sets a number.
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(processors.saturating_sub(1).max(1));
    }
    builder
}

/// Returns whether the command serves many connections, and so uses several processors.
fn serves(command: &Command) -> bool {
    match command {
        #[cfg(feature = "server")]
        Command::Operate(args::Operate::Serve(_) | args::Operate::Demo(_)) => true,
        _ => false,
    }
}
