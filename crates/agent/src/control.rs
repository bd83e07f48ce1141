//! The control connection: joining by SCRAM-SHA-256, then messages and heartbeats.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use transom_model::cloud::{CloudAddress, CloudPassword, EnrolmentToken, ScramProof, Verifier};
use transom_model::secret::Secret;
use transom_tunnel::frame::Inbox;
use transom_tunnel::scram::{self, Prover};
use transom_tunnel::{Binding, CONTROL_PATH, Enrolment, Fault, Message, Refusal, Report, Role, Versions};

use crate::outer::Outer;
use crate::server::Server;
use crate::unreachable;

/// Two round trips over a bad mobile network.
const PROVE: Duration = Duration::from_secs(15);
/// A server that does not take a short message in this time takes none.
const SEND: Duration = Duration::from_secs(10);
/// After a heartbeat without an answer in this time the connection is given up: it may be a NAT that has forgotten it.
const ANSWER: Duration = Duration::from_secs(10);
const READ: usize = 512;
/// What the server's list of devices says of this end.
const PROGRAM: &str = concat!("transom ", env!("CARGO_PKG_VERSION"));

/// A cloud address and its password.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The address.
    pub address: CloudAddress,
    password: CloudPassword,
}

impl Credentials {
    /// The address with its password.
    #[must_use]
    pub fn new(address: CloudAddress, password: impl Into<String>) -> Self {
        Self { address, password: CloudPassword::from(Secret::new(password)) }
    }
}

/// Which side joins, and what the server is to know of it from the first moment.
#[derive(Clone, Debug)]
pub(crate) enum Joins {
    /// A device's side.
    Agent {
        /// It takes nobody who could see what passes.
        end_to_end_only: bool,
        /// What it says of its machine.
        report: Report,
    },
    /// A viewer's side.
    Connector,
}

/// A control connection that is in.
pub(crate) struct Control {
    outer: Outer,
    inbox: Inbox,
    heartbeat: Duration,
    /// When something was sent last: the server counts what it hears, and being called is no sign of life.
    spoke: Instant,
    asked: Option<Instant>,
}

impl Control {
    /// Joins.
    pub(crate) async fn join(server: &Server, own: &Credentials, joins: Joins) -> Result<Self, Refusal> {
        let (mut control, exporter) = Self::open(server).await?;
        let proved = timeout(PROVE, control.prove(own, joins, exporter)).await;
        proved.unwrap_or_else(|_| Err(unreachable("the server fell silent while joining")))?;
        Ok(control)
    }

    /// Asks for an address, for a token, by what the device says of itself.
    pub(crate) async fn enrol(
        server: &Server,
        token: &EnrolmentToken,
        own: Enrolment,
    ) -> Result<String, Refusal> {
        let (mut control, exporter) = Self::open(server).await?;
        let asked = timeout(PROVE, async {
            let (version, binding) = control.hello().await?;
            let (own, message) = own.bind(binding, exporter.as_ref());
            let shown = Enrolment { proof: token.prove(&message), ..own };
            control.send(&Message::Enrol { version, enrolment: shown }).await?;
            let Message::Enrolled { proof, address } = control.message().await? else {
                return Err(out_of_turn());
            };
            if !token.digest().answers(&message, &address, &proof) {
                let detail = "the server does not know this enrolment token: it is not the right server";
                return Err(Refusal::from(Fault::CloudAuthenticationFailed).because(detail));
            }
            Ok(address)
        });
        asked.await.unwrap_or_else(|_| Err(unreachable("the server fell silent while enrolling")))
    }

    async fn open(server: &Server) -> Result<(Self, Option<scram::Exporter>), Refusal> {
        let opened = Outer::open(server, CONTROL_PATH, None).await;
        let (outer, exporter) = opened.map_err(|refusal| server.advise(refusal))?;
        let now = Instant::now();
        let control =
            Self { outer, inbox: Inbox::default(), heartbeat: Duration::MAX, spoke: now, asked: None };
        Ok((control, exporter))
    }

    /// How the server speaks, and which version both are to speak.
    async fn hello(&mut self) -> Result<(u8, Binding), Refusal> {
        let Message::Hello { versions, binding } = self.message().await? else { return Err(out_of_turn()) };
        let version = versions.common(Versions::OURS).ok_or_else(|| {
            let older = if versions.newest < Versions::OURS.oldest { "the server" } else { "this program" };
            let detail = format!(
                "the server speaks {versions}, and {PROGRAM} {}: {older} is to be updated",
                Versions::OURS
            );
            Refusal::from(Fault::ProtocolError).because(detail)
        })?;
        Ok((version, binding))
    }

    async fn prove(
        &mut self,
        own: &Credentials,
        joins: Joins,
        exporter: Option<scram::Exporter>,
    ) -> Result<(), Refusal> {
        let (version, binding) = self.hello().await?;
        let mut random = [0; scram::NONCE];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| unreachable("there is no randomness"))?;
        let nonce = scram::nonce(random);
        let prover = Prover::new(own.address.as_str(), nonce, binding, exporter.as_ref());
        let (role, end_to_end_only, report) = match joins {
            Joins::Agent { end_to_end_only, report } => (Role::Agent, end_to_end_only, Some(report)),
            Joins::Connector => (Role::Connector, false, None),
        };
        let (client_first, program) = (prover.first(), PROGRAM.to_owned());
        self.send(&Message::Prove { version, role, end_to_end_only, client_first, program, report }).await?;
        let Message::Challenge(server_first) = self.message().await? else { return Err(out_of_turn()) };
        let garbled =
            |error: scram::ScramError| Refusal::from(Fault::ProtocolError).because(error.to_string());
        let challenge = prover.challenged(&server_first).map_err(garbled)?;
        let password = own.password.expose().as_bytes();
        let auth_message = challenge.auth_message.as_bytes();
        let proof = ScramProof::make(password, &challenge.salt, challenge.iterations, auth_message);
        self.send(&Message::Proof(challenge.answer(&proof.0))).await?;
        let Message::Joined { heartbeat, server_final } = self.message().await? else {
            return Err(out_of_turn());
        };
        let signature = scram::read_server_final(&server_final).map_err(garbled)?;
        let expected = Verifier::derive(password, &challenge.salt, challenge.iterations);
        if expected.server_signature(auth_message) != signature {
            let detail = "the server does not know this address's password: it is not the right server";
            return Err(Refusal::from(Fault::CloudAuthenticationFailed).because(detail));
        }
        self.heartbeat = heartbeat.max(Duration::from_secs(1));
        Ok(())
    }

    /// When [`Self::beat`] is due.
    pub(crate) fn next_beat(&self) -> Instant {
        self.asked.map_or(self.spoke + self.heartbeat, |asked| asked + ANSWER)
    }

    /// Asks whether the server is there; the next time, it must have answered.
    pub(crate) async fn beat(&mut self) -> Result<(), Refusal> {
        if self.asked.is_some() {
            return Err(unreachable("the server does not answer any more"));
        }
        self.asked = Some(Instant::now());
        self.send(&Message::Ping).await
    }

    /// The next message that is not about the connection itself. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Result<Message, Refusal> {
        loop {
            match self.message().await? {
                Message::Pong | Message::Ping => {}
                message => return Ok(message),
            }
        }
    }

    async fn message(&mut self) -> Result<Message, Refusal> {
        loop {
            let next = Message::next(&mut self.inbox);
            match next.map_err(|error| Refusal::from(Fault::ProtocolError).because(error.to_string()))? {
                Some(Message::Refused(refusal)) => return Err(refusal),
                Some(message) => return Ok(message),
                None => {}
            }
            let mut buffer = [0; READ];
            let count = self.outer.read(&mut buffer).await.map_err(unreachable)?;
            if count == 0 {
                return Err(unreachable("the server closed the connection"));
            }
            self.inbox.push(&buffer[..count]);
            self.asked = None;
        }
    }

    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), Refusal> {
        let bytes = message.encode();
        self.spoke = Instant::now();
        let sent = timeout_at(Instant::now() + SEND, async {
            self.outer.write_all(&bytes).await?;
            self.outer.flush().await
        });
        sent.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(unreachable)
    }

    /// Goes, in good order.
    pub(crate) async fn leave(mut self) {
        // Where that fails, the connection is gone anyway.
        let _ = timeout(SEND, self.outer.shutdown()).await;
    }
}

fn out_of_turn() -> Refusal {
    Refusal::from(Fault::ProtocolError).because("a message came out of turn")
}
