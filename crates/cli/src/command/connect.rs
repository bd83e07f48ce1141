//! `transom connect`

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use transom_agent::{Connector, Event};

use super::device::{self, Setup};
use super::serve::listen;
use crate::args::{self, Common};
use crate::failure::Failure;
use crate::output::{self, say};

pub(crate) async fn run(common: &Common, connect: args::Connect) -> Result<(), Failure> {
    let Setup { server, credentials, identity } = Setup::read(common, &connect.joining)?;
    let listener = listen(connect.bind)?;
    let port = listener.local_addr().map_err(Failure::ours)?.port();
    say(format_args!("This side's key is {}", identity.public()));
    let (known, peer) = (identity.known_keys().display().to_string(), connect.peer.to_string());
    let stop = CancellationToken::new();
    let connector = Connector {
        server,
        credentials,
        identity,
        peer: connect.peer,
        fingerprint: connect.fingerprint,
        wait: connect.wait,
    };
    let (events, mut told) = mpsc::unbounded_channel();
    let told_event = move |event| {
        // Printing ends with the command.
        let _ = events.send(event);
    };
    let printing = async {
        while let Some(event) = told.recv().await {
            match event {
                Event::Ready => output::line(port)?,
                event => tell(&peer, &known, &event),
            }
        }
        Ok::<(), Failure>(())
    };
    let printing = async {
        let printed = printing.await;
        // Nobody would learn the port.
        if printed.is_err() {
            stop.cancel();
        }
        printed
    };
    let connecting = connector.run(listener, told_event, stop.clone());
    let both = async { tokio::join!(connecting, printing) };
    let (ran, printed) = device::run(stop.clone(), both).await?;
    printed?;
    ran.map_err(|refusal| Failure::refused(&refusal))
}

fn tell(peer: &str, known: &str, event: &Event) {
    match event {
        Event::Ready => {}
        Event::Waiting(refusal, wait) => {
            say(format_args!("{refusal} Next try in {} s; sessions go on.", wait.as_secs()));
        }
        Event::Opened { key, phrase, new: true } => {
            say(format_args!("{peer} shows the key {key} for the first time; it is kept in {known}."));
            say(format_args!("Compare with its agent: {phrase}"));
        }
        Event::Opened { phrase, new: false, .. } => {
            say(format_args!("{peer} is connected, with the key of before: {phrase}"));
        }
        Event::Failed(refusal) => {
            say(format_args!("{refusal}"));
            say(format_args!("         {}", refusal.fault.next_step()));
        }
        Event::Closed { lost: true } => say(format_args!("{peer} was lost")),
        Event::Closed { lost: false } => say(format_args!("{peer}: a viewer has left")),
    }
}
