//! The `transom` command.

mod args;
#[cfg(feature = "server")]
mod browser;
#[cfg(feature = "server")]
mod client;
mod command;
mod failure;
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "operators' commands print more"))]
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
        Err(failure) => failure.report(json),
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
    // Somebody may still be reading standard input, and would keep us until its next line.
    runtime.shutdown_background();
    done
}

/// A runtime with a thread for each processor but one: that has the database's thread, and the kernel's packets. With one
/// more, every session costs a tenth more, since work is handed to and fro between them.
fn for_many() -> Builder {
    let mut builder = Builder::new_multi_thread();
    // Tokio reads that by itself, unless it is told a number.
    if std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(processors.saturating_sub(1).max(1));
    }
    builder
}

/// Whether many are served, on several of the machine's processors.
fn serves(command: &Command) -> bool {
    match command {
        #[cfg(feature = "server")]
        Command::Operate(args::Operate::Serve(_) | args::Operate::Demo(_)) => true,
        _ => false,
    }
}
