//! A program that reaches a device: opens a port for viewers and prints the events of their
//! sessions.
//!
//! ```text
//! cargo run -p transom-agent --example connector -- SERVER CONNECT PASSWORD-FILE FOLDER DEVICE
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example tells what happens")]

use std::error::Error;
use std::path::Path;

use tokio_util::sync::CancellationToken;
use transom_agent::{Connector, Credentials, Door, Event, Identity, Server, Verify};

const USAGE: &str = "usage: connector SERVER CONNECT PASSWORD-FILE FOLDER DEVICE";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, address, password, folder, device] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let door = Door::tcp(([127, 0, 0, 1], 0).into())?;
    let port = door.address().ok_or("the door has no port")?.port();
    let connector = Connector {
        server: Server::new(server, None, false)?,
        credentials: Credentials::new(address.parse()?, std::fs::read_to_string(password)?.trim_end()),
        identity: Identity::open(Path::new(folder))?,
        peer: device.parse()?,
        fingerprint: None,
        // Accepts the device's first key and stores it. A changed key is refused.
        verify: Verify::default(),
        renewed: None,
        wait: true,
        open_first: false,
        limit: None,
    };
    let tell = move |event| match event {
        Event::Ready => println!("ready: vncviewer localhost::{port}"),
        Event::Opened { key, phrase, .. } => println!("connected to {key}; compare the words: {phrase}"),
        Event::Closed(ending) => println!("closed: {ending:?}"),
        other => eprintln!("{other:?}"),
    };
    let stop = CancellationToken::new();
    let running = connector.run(door, tell, stop.clone());
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
