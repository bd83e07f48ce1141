//! The agent: joins from wherever it is, waits to be called, and forwards to its targets only.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use transom_tunnel::report::MAX_TARGETS;
use transom_tunnel::{Message, PublicKey, Refusal, Report, Ticket};

use crate::backoff::{Backoff, random};
use crate::control::{Control, Credentials, Joins};
use crate::desk::{Declined, Desk};
use crate::identity::Identity;
use crate::introduction::Verify;
use crate::pipe::Ending;
use crate::server::Server;
use crate::standby::{self, Call, Kept};
use crate::target::Targets;

/// A device's side.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Where to join.
    pub server: Server,
    /// As whom.
    pub credentials: Credentials,
    /// This device's own key, and the keys that it knows.
    pub identity: Identity,
    /// Where it forwards to.
    pub targets: Targets,
    /// Whom it lets in, after the server has.
    pub policy: Policy,
}

/// Whom an agent lets in, after the server has.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Only these keys; empty: whichever key a peer shows first is its key from then on.
    pub allow_keys: Vec<PublicKey>,
    /// No consoles in the browser: there the gateway, not the viewer, would be the other end. And no key that is seen for
    /// the first time: the server could show one of its own, under any address.
    pub end_to_end_only: bool,
    /// Asked by address, before anything passes.
    pub filter: Filter,
    /// Asked last, by key, before a new one is kept and before the first byte of a session passes.
    pub verify: Verify,
}

/// The embedding program's own word on who may come; by default, everybody may whom nothing else keeps out.
#[derive(Clone, Default)]
pub struct Filter(Option<Arc<Admits>>);

type Admits = dyn Fn(&str) -> bool + Send + Sync;

impl Filter {
    /// Asks this of every peer, `[vnccloud:<address>]`. It must not block.
    pub fn new(admits: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(admits)))
    }

    pub(crate) fn admits(&self, peer: &str) -> bool {
        self.0.as_ref().is_none_or(|admits| admits(peer))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Filter(..)" } else { "Filter(everybody)" })
    }
}

/// How an agent is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It looks for the server.
    Searching,
    /// It can be reached.
    Online,
    /// It is not, because of this, and tries again after that long.
    Waiting(Refusal, Duration),
    /// It cannot be reached any more, because of this, and trying again is of no use. Its sessions go on; [`Agent::run`]
    /// ends with the last of them.
    SentAway(Refusal),
    /// A session with this peer, `[vnccloud:<address>]`, has begun; the words are the same at the other end.
    Opened {
        /// Who.
        peer: String,
        /// For people who compare.
        phrase: String,
        /// The peer showed its key for the first time.
        new: bool,
        /// Why that key could not be written down: it is known until this program ends, and written as soon as that goes.
        unkept: Option<io::ErrorKind>,
    },
    /// A session did not come about.
    Refused {
        /// Who.
        peer: String,
        /// Why.
        why: String,
    },
    /// A session with this peer is over.
    Closed {
        /// Who.
        peer: String,
        /// How.
        ending: Ending,
    },
}

pub(crate) type Tell = Arc<dyn Fn(Status) + Send + Sync>;

impl Agent {
    /// Joins and stays until told to stop, or until the server says that trying again is of no use.
    pub async fn run(
        self,
        tell: impl Fn(Status) + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Result<(), Refusal> {
        let report = self.report();
        let (agent, tell): (_, Tell) = (Arc::new(self), Arc::new(tell));
        let mut sessions = Sessions::default();
        let mut backoff = Backoff::default();
        loop {
            tell(Status::Searching);
            let lost = tokio::select! {
                () = stop.cancelled() => break,
                lost = agent.stay(&report, &tell, &mut sessions, &mut backoff, &stop) => lost,
            };
            let Some(refusal) = lost else { break };
            let Some(wait) = backoff.after(&refusal, random()) else {
                if sessions.is_live() {
                    tell(Status::SentAway(refusal.clone()));
                }
                // A new password ends no session (requirements a29): what runs, runs on until it ends or we are told to.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = sessions.end() => {}
                }
                return Err(refusal);
            };
            tell(Status::Waiting(refusal, wait));
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(wait) => {}
            }
        }
        // Sessions end with the agent; each says goodbye by itself.
        sessions.end().await;
        Ok(())
    }

    /// The report on this machine to the server: the same as long as this agent runs.
    fn report(&self) -> Report {
        let mut run = [0; 16];
        // Without randomness the proof fails as well, and says so.
        let _ = aws_lc_rs::rand::fill(&mut run);
        let host_name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let targets = self.targets.texts().take(MAX_TARGETS).collect();
        Report { host_name, run, key: self.identity.public(), targets }
    }

    /// One stay at the server: why it ended, or nothing where it was told to stop.
    async fn stay(
        self: &Arc<Self>,
        report: &Report,
        tell: &Tell,
        sessions: &mut Sessions,
        backoff: &mut Backoff,
        stop: &CancellationToken,
    ) -> Option<Refusal> {
        let joins = Joins::Agent { end_to_end_only: self.policy.end_to_end_only, report: report.clone() };
        let mut control = match Control::join(&self.server, &self.credentials, joins).await {
            Ok(control) => control,
            Err(refusal) => return Some(refusal),
        };
        backoff.reset();
        tell(Status::Online);
        let mut kept = Kept::default();
        let (declined, mut declining) = mpsc::channel::<(Ticket, Declined)>(16);
        loop {
            let next_beat = control.next_beat();
            let done = tokio::select! {
                () = stop.cancelled() => {
                    control.leave().await;
                    return None;
                }
                message = control.receive() => match message {
                    Ok(Message::Dial { ticket, standby, relay, peer }) => {
                        // Who is declined is told so before any connection is theirs.
                        let standby = standby.filter(|_| self.admit(&peer).is_ok());
                        if let Some(call) = kept.bind(standby, Call { ticket, relay, peer }) {
                            let desk = Desk::new(self, tell, &declined, stop, sessions);
                            sessions.tasks.spawn(async move { desk.serve(call, None).await });
                        }
                        Ok(())
                    }
                    Ok(Message::Standby { ticket, relay }) => {
                        if let Some(bound) = kept.add(ticket.id) {
                            let desk = Desk::new(self, tell, &declined, stop, sessions);
                            sessions.tasks.spawn(async move {
                                let ready = standby::wait(&desk.agent.server, &ticket, &relay, bound).await;
                                if let Some((outer, call)) = ready {
                                    desk.serve(call, Some(outer)).await;
                                }
                            });
                        }
                        Ok(())
                    }
                    Ok(_) => Ok(()),
                    Err(refusal) => Err(refusal),
                },
                Some((ticket, Declined { cause, words: why })) = declining.recv() => {
                    control.send(&Message::Declined { ticket: ticket.id, cause, why }).await
                }
                Some(_) = sessions.tasks.join_next() => Ok(()),
                () = sleep_until(next_beat) => control.beat().await,
            };
            if let Err(refusal) = done {
                return Some(refusal);
            }
        }
    }
}

/// What an agent does besides listening.
#[derive(Default)]
pub(crate) struct Sessions {
    /// Sessions, and connections that are kept ready for some.
    tasks: JoinSet<()>,
    /// Held by each session.
    pub(crate) live: Arc<()>,
}

impl Sessions {
    fn is_live(&self) -> bool {
        Arc::strong_count(&self.live) > 1
    }

    async fn end(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
