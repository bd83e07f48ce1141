//! A connector at work: it maintains the control connection, and serves viewers.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use transom_tunnel::{Message, Refusal, RefusalCode};

use super::event::Event;
use super::session::{Meeting, MeetingRequest, Opened};
use super::settings::Connector;
use crate::backoff::{Backoff, random};
use crate::control::{ControlConnection, JoinAs};
use crate::door::Door;
use crate::error::unreachable;
use crate::local::Local;
use crate::pipe::{Ending, leave, pipe};

/// The most viewers that may wait for a meeting.
const CALLS: usize = 64;
/// The longest time that a viewer waits for the server. A server that restarts is back by then;
/// after a longer wait, the viewer would seem to hang, so it is told the reason instead.
const BEARABLE: Duration = Duration::from_secs(15);
/// The call that asks whether the peer is online. Sessions have higher numbers.
const ASK: u32 = 0;

type Tell = Arc<dyn Fn(Event) + Send + Sync>;

impl Connector {
    /// Joins the server, waits for the peer as configured, and serves viewers until `stop` is
    /// cancelled. With [`Door::stdio`], it returns when the one viewer is done.
    ///
    /// An error before [`Event::Ready`] says why the peer cannot be reached. A later error says why
    /// the connector accepts no more viewers.
    pub async fn run(
        self,
        door: Door,
        tell: impl Fn(Event) + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Result<(), Refusal> {
        let (calls, called) = mpsc::channel(CALLS);
        let mut service = Service {
            open_first: self.open_first || door.is_for_one(),
            for_one: door.is_for_one(),
            connector: Arc::new(self),
            door,
            tell: Arc::new(tell),
            stop,
            ready: false,
            opened_first: None,
            opening: JoinSet::new(),
            calls,
            called,
            sessions: JoinSet::new(),
        };
        let done = service.stay().await;
        service.end(done.as_ref().err()).await;
        done
    }
}

struct Service {
    connector: Arc<Connector>,
    door: Door,
    tell: Tell,
    stop: CancellationToken,
    /// True once the door is open.
    ready: bool,
    open_first: bool,
    /// True if the door is for one viewer only.
    for_one: bool,
    /// The session that was opened before the door, until its viewer comes.
    opened_first: Option<Opened>,
    opening: JoinSet<Result<Opened, Refusal>>,
    calls: mpsc::Sender<MeetingRequest>,
    called: mpsc::Receiver<MeetingRequest>,
    sessions: JoinSet<Ending>,
}

/// The reason why the connection to the server ended.
struct Lost {
    refusal: Refusal,
    /// True if another attempt is pointless.
    last: bool,
}

impl Lost {
    fn last(refusal: Refusal) -> Self {
        Self { refusal, last: true }
    }
}

impl From<Refusal> for Lost {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, last: false }
    }
}

/// The calls of one control connection. They are lost with it.
#[derive(Default)]
struct Calls {
    last: u32,
    asked: HashMap<u32, MeetingRequest>,
    meeting: HashMap<u32, oneshot::Sender<Refusal>>,
}

impl Service {
    async fn stay(&mut self) -> Result<(), Refusal> {
        let mut backoff = Backoff::default();
        let stop = self.stop.clone();
        loop {
            let lost = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                lost = self.serve(&mut backoff) => lost,
            };
            let Err(Lost { refusal, last }) = lost else { return Ok(()) };
            let may_wait =
                self.ready || (self.connector.wait && refusal.code == RefusalCode::CloudConnectivityError);
            let wait = backoff.after(&refusal, random()).filter(|_| may_wait && !last);
            let Some(wait) = wait else { return Err(refusal) };
            (self.tell)(Event::Waiting(refusal.clone(), wait));
            if let Some(done) = self.bide(&refusal, Instant::now() + wait).await {
                return done;
            }
        }
    }

    /// Waits for the next attempt. Returns early with the result if the connector is done. Viewers
    /// that come shortly before the attempt wait for it.
    async fn bide(&mut self, refusal: &Refusal, until: Instant) -> Option<Result<(), Refusal>> {
        let stop = self.stop.clone();
        self.turn_away(refusal);
        loop {
            let is_long = until.saturating_duration_since(Instant::now()) > BEARABLE;
            tokio::select! {
                () = stop.cancelled() => return Some(Ok(())),
                () = sleep_until(until) => return None,
                viewer = self.door.viewer(), if self.ready => self.admit(viewer),
                Some(call) = self.called.recv(), if is_long => {
                    // A viewer that has gone need not be told.
                    let _ = call.send(Err(refusal.clone()));
                }
                ended = ended(&mut self.sessions), if !self.sessions.is_empty() => {
                    if self.for_one {
                        return Some(ended);
                    }
                }
            }
        }
    }

    /// Tells waiting viewers why they cannot be served.
    fn turn_away(&mut self, refusal: &Refusal) {
        while let Ok(call) = self.called.try_recv() {
            let _ = call.send(Err(refusal.clone()));
        }
    }

    /// Accepts no more viewers, and waits for the sessions to end.
    async fn end(&mut self, why: Option<&Refusal>) {
        self.door.shut();
        self.called.close();
        if let Some(refusal) = why {
            self.turn_away(refusal);
        }
        if let Some((mut far, _)) = self.opened_first.take() {
            leave(&mut far).await;
        }
        while self.sessions.try_join_next().is_some() {}
        if let (Some(refusal), false) = (why, self.sessions.is_empty()) {
            (self.tell)(Event::Shut(refusal.clone()));
        }
        while self.sessions.join_next().await.is_some() {}
    }

    /// Awaits `work`, and accepts viewers meanwhile. They wait until it is done.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                viewer = self.door.viewer(), if self.ready => self.admit(viewer),
            }
        }
    }

    async fn serve(&mut self, backoff: &mut Backoff) -> Result<(), Lost> {
        let connector = Arc::clone(&self.connector);
        let joining = ControlConnection::join(&connector.server, &connector.credentials, JoinAs::Connector);
        let mut control = self.meanwhile(joining).await?;
        let mut calls = Calls::default();
        if !self.ready {
            self.opening.abort_all();
            let peer = connector.peer.address.to_string();
            control.send(&Message::Ask { call: ASK, wait: connector.wait, peer }).await?;
        }
        backoff.reset();
        loop {
            let next_beat = control.next_beat();
            tokio::select! {
                () = self.stop.cancelled() => {
                    control.leave().await;
                    return Ok(());
                }
                viewer = self.door.viewer(), if self.ready => self.admit(viewer),
                Some(Ok(opened)) = self.opening.join_next() => {
                    self.opened_first = Some(opened?);
                    self.open_door()?;
                }
                Some(call) = self.called.recv() => {
                    let call = calls.add(call);
                    let peer = connector.peer.address.to_string();
                    let limit = connector.limit.unwrap_or(0);
                    control.send(&Message::Connect { call, limit, peer }).await?;
                }
                message = control.receive() => match message? {
                    Message::Available { .. } if !self.ready => self.available()?,
                    Message::Failed { call: ASK, refusal } if !self.ready => return Err(refusal.into()),
                    message => calls.answered(message),
                },
                ended = ended(&mut self.sessions), if !self.sessions.is_empty() => {
                    if self.for_one {
                        control.leave().await;
                        return ended.map_err(Lost::last);
                    }
                }
                () = sleep_until(next_beat) => control.beat().await?,
            }
        }
    }

    /// Acts on the news that the peer is online.
    fn available(&mut self) -> Result<(), Lost> {
        if !self.open_first {
            return self.open_door();
        }
        let (connector, calls) = (Arc::clone(&self.connector), self.calls.clone());
        self.opening.spawn(async move { connector.open(&calls).await });
        Ok(())
    }

    fn open_door(&mut self) -> Result<(), Lost> {
        let taken = |error| {
            let refusal = unreachable(format_args!("cannot listen for viewers: {error}"));
            Lost::last(
                refusal.advising("Another program uses the address in --bind. Choose another address."),
            )
        };
        self.door.open().map_err(taken)?;
        self.ready = true;
        (self.tell)(Event::Ready);
        Ok(())
    }

    fn admit(&mut self, viewer: io::Result<Local>) {
        let viewer = match viewer {
            Ok(viewer) => viewer,
            Err(error) => return tracing::warn!(%error, "cannot accept a viewer"),
        };
        let (connector, tell) = (Arc::clone(&self.connector), Arc::clone(&self.tell));
        let (calls, stop) = (self.calls.clone(), self.stop.clone());
        let opened_first = self.opened_first.take();
        self.sessions.spawn(async move {
            let opened = match opened_first {
                Some(opened) => Ok(opened),
                None => connector.open(&calls).await,
            };
            match opened {
                Ok((far, opened)) => {
                    tell(opened);
                    let ending = pipe(viewer, far, &stop).await;
                    tell(Event::Closed(ending));
                    ending
                }
                Err(refusal) => {
                    // The viewer must not take this for an orderly end of the session.
                    viewer.reset();
                    tell(Event::Failed(refusal));
                    Ending::Dropped
                }
            }
        });
    }
}

impl Calls {
    fn add(&mut self, call: MeetingRequest) -> u32 {
        self.last += 1;
        self.asked.insert(self.last, call);
        self.last
    }

    fn answered(&mut self, message: Message) {
        match message {
            Message::Meet { call, ticket, relay, renewal } => {
                self.meeting.retain(|_, failed| !failed.is_closed());
                if let Some(asked) = self.asked.remove(&call) {
                    let (failed, fails) = oneshot::channel();
                    self.meeting.insert(call, failed);
                    // A viewer that has gone needs no ticket.
                    let _ = asked.send(Ok(Meeting { ticket, relay, renewal, fails }));
                }
            }
            Message::Failed { call, refusal } => {
                if let Some(asked) = self.asked.remove(&call) {
                    let _ = asked.send(Err(refusal));
                } else if let Some(failed) = self.meeting.remove(&call) {
                    let _ = failed.send(refusal);
                }
            }
            _ => {}
        }
    }
}

/// The end of a session, as the result for a connector with one viewer.
async fn ended(sessions: &mut JoinSet<Ending>) -> Result<(), Refusal> {
    match sessions.join_next().await {
        Some(Ok(Ending::Dropped)) => Err(unreachable("the session was lost")),
        _ => Ok(()),
    }
}
