//! `transom connect`

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use transom_agent::{Connector, Door, Ending, Event, Introduction, Verify};

use super::device::{self, Setup};
use super::viewer::Viewer;
use crate::args::{self, Bind, Common};
use crate::failure::Failure;
use crate::output::{self, say};

pub(crate) async fn run(common: &Common, connect: args::Connect) -> Result<(), Failure> {
    if connect.stdio && connect.password_file.as_os_str() == "-" {
        return Err(Failure::theirs(
            "with --stdio, standard input belongs to the viewer and cannot contain the password",
        ));
    }
    if connect.viewer.is_some() && matches!(connect.bind, Bind::Unix(_)) {
        return Err(Failure::theirs("--viewer uses TCP: omit --bind unix:"));
    }
    let Setup { server, identity, .. } = Setup::read(common, &connect.joining)?;
    let credentials = device::credentials(connect.address.clone(), &connect.password_file)?;
    let door = door(&connect)?;
    let renewed = renewed(&connect);
    let host = Host {
        place: place(&connect, &door),
        address: door.address(),
        viewer: connect.viewer,
        peer: connect.peer.to_string(),
        known: identity.known_keys().display().to_string(),
    };
    say(format_args!("This connector's key is {}", identity.public()));
    let stop = CancellationToken::new();
    let connector = Connector {
        server,
        credentials,
        identity,
        peer: connect.peer,
        fingerprint: connect.peer_key,
        verify: Verify::default(),
        renewed,
        wait: connect.wait,
        open_first: host.viewer.is_some(),
        limit: connect.max_rate,
    };
    let (events, told) = unbounded_channel();
    let told_event = move |event| {
        // The receiver is gone once the command has stopped printing.
        let _ = events.send(event);
    };
    let serving = async {
        let served = host.serve(told, &stop).await;
        // The address could not be printed, or the viewer has ended.
        stop.cancel();
        served
    };
    let connecting = connector.run(door, told_event, stop.clone());
    let both = async { tokio::join!(connecting, serving) };
    let (ran, served) = device::run(stop.clone(), both).await?;
    ran.map_err(|refusal| Failure::refused(&refusal))?;
    served
}

/// Returns the check for a key that, according to the server, is the device's new one: it asks the
/// person at the terminal. `None` if there is no terminal.
fn renewed(connect: &args::Connect) -> Option<Verify> {
    let somebody = !connect.stdio && io::stdin().is_terminal() && io::stderr().is_terminal();
    somebody.then(|| Verify::new(ask))
}

async fn ask(peer: Introduction) -> bool {
    let Introduction { peer, key, phrase, before, .. } = peer;
    let before = before.map(|key| key.to_string()).unwrap_or_default();
    say(format_args!(
        "{peer} had the key {before}, and now presents {key}. The server says that the device was replaced, or that its \
         new key was accepted. Only the server vouches for this."
    ));
    say(format_args!("Compare this phrase with its agent: {phrase}"));
    say(
        "Is this the right device? If so, its new key replaces the old one. Type yes or no within 25 seconds:",
    );
    let read = || {
        let mut answer = String::new();
        // If standard input has ended, the answer is no.
        let _ = io::stdin().read_line(&mut answer);
        answer.trim() == "yes"
    };
    tokio::task::spawn_blocking(read).await.unwrap_or(false)
}

fn door(connect: &args::Connect) -> Result<Door, Failure> {
    if connect.stdio {
        return Ok(Door::stdio());
    }
    match &connect.bind {
        Bind::Tcp(address) => {
            Door::tcp(*address).map_err(|error| Failure::no_listening(address, "--bind", &error))
        }
        Bind::Unix(path) => {
            Door::unix(path).map_err(|error| Failure::no_listening(path.display(), "--bind", &error))
        }
    }
}

/// Returns the line to print for the program that starts viewers: the socket's path, or the port.
fn place(connect: &args::Connect, door: &Door) -> Option<String> {
    match &connect.bind {
        _ if connect.stdio => None,
        Bind::Unix(path) => Some(path.display().to_string()),
        Bind::Tcp(_) => door.address().map(|address| address.port().to_string()),
    }
}

/// The viewer's end: prints the local address, starts the viewer, and prints events.
struct Host {
    place: Option<String>,
    address: Option<SocketAddr>,
    viewer: Option<String>,
    peer: String,
    known: String,
}

impl Host {
    /// Prints events until there are no more. When the viewer that was started ends, stops the
    /// connector.
    async fn serve(
        &self,
        mut told: UnboundedReceiver<Event>,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let mut viewer = Viewer::default();
        let mut left = Ok(());
        loop {
            tokio::select! {
                event = told.recv() => match event {
                    None => break,
                    Some(Event::Ready) => viewer = self.welcome()?,
                    Some(event) => self.tell(&event),
                },
                ended = viewer.ended() => {
                    left = ended;
                    stop.cancel();
                }
            }
        }
        left
    }

    fn welcome(&self) -> Result<Viewer, Failure> {
        if let Some(place) = &self.place {
            output::line(place)?;
        }
        match (&self.viewer, self.address) {
            (Some(command), Some(address)) => Viewer::start(command, address),
            _ => Ok(Viewer::default()),
        }
    }

    fn tell(&self, event: &Event) {
        let Self { peer, known, .. } = self;
        match event {
            Event::Ready => {}
            Event::Waiting(refusal, wait) => {
                say(format_args!("{refusal} Retrying in {} s; open sessions continue.", wait.as_secs()));
                device::advise(refusal);
            }
            Event::Shut(refusal) => {
                say(format_args!("{refusal} New viewers cannot connect; open sessions continue."));
            }
            Event::Opened { key, phrase, new: true, unsaved } => {
                match unsaved {
                    None => say(format_args!(
                        "{peer} presents the key {key} for the first time. It was saved in {known}."
                    )),
                    Some(why) => say(format_args!(
                        "{peer} presents the key {key} for the first time, but the key cannot be saved in {known}: {why}. This connector \
                         trusts it until it ends, and saves it as soon as possible."
                    )),
                }
                say(format_args!("Compare this phrase with its agent: {phrase}"));
            }
            Event::Opened { phrase, new: false, .. } => {
                say(format_args!("{peer} is connected, with the previous key: {phrase}"));
            }
            Event::Failed(refusal) => {
                say(format_args!("{refusal}"));
                say(format_args!("         {}", refusal.next_step()));
            }
            Event::Closed(ending) => say(format_args!("{peer}: {}", how(*ending))),
        }
    }
}

fn how(ending: Ending) -> &'static str {
    match ending {
        Ending::Near => "a viewer has left",
        Ending::Far => "the device closed the session",
        Ending::Dropped => "the session was lost; connect again",
        Ending::Stopped => "this connector is stopping",
    }
}
