//! A program that peers can reach: joins a server as a device and prints its events.
//!
//! ```text
//! cargo run -p transom-agent --example agent -- SERVER LISTEN PASSWORD-FILE FOLDER TARGET…
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example tells what happens")]

use std::error::Error;
use std::path::Path;

use tokio_util::sync::CancellationToken;
use transom_agent::{Agent, Credentials, Identity, Introduction, Policy, Server, Status, Targets, Verify};

const USAGE: &str = "usage: agent SERVER LISTEN PASSWORD-FILE FOLDER TARGET…";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, address, password, folder, targets @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let agent = Agent {
        server: Server::new(server, None, false)?,
        credentials: Credentials::new(address.parse()?, std::fs::read_to_string(password)?.trim_end()),
        identity: Identity::open(Path::new(folder))?,
        targets: Targets::parse(targets)?,
        policy: Policy { verify: Verify::new(greet), ..Policy::default() },
    };
    let stop = CancellationToken::new();
    let running = agent.run(tell, stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => ended?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            stop.cancel();
            running.await?;
        }
    }
    Ok(())
}

/// Accepts every peer. A program with a screen asks its owner here, before the first byte passes.
async fn greet(peer: Introduction) -> bool {
    println!(
        "{} shows the key {}{}",
        peer.peer,
        peer.key,
        if peer.new { ", for the first time" } else { "" }
    );
    true
}

fn tell(status: Status) {
    match status {
        Status::Online => println!("online"),
        Status::Opened { peer, phrase, .. } => println!("{peer} is connected; compare the words: {phrase}"),
        Status::Closed { peer, ending } => println!("{peer} is gone: {ending:?}"),
        other => eprintln!("{other:?}"),
    }
}
