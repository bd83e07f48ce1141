//! The control connection: joining by SCRAM-SHA-256, then messages and heartbeats.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use transom_model::cloud::{CloudAddress, CloudPassword, EnrollmentToken, ScramProof, Verifier};
use transom_model::secret::Secret;
use transom_tunnel::frame::Inbox;
use transom_tunnel::scram::{self, Prover};
use transom_tunnel::{
    Binding, CONTROL_PATH, Enrollment, Message, Refusal, RefusalCode, Report, Role, Versions,
};

use crate::error::unreachable;
use crate::server::Server;
use crate::server_connection::ServerConnection;

/// The time to join: two round trips over a bad mobile network.
const PROVE: Duration = Duration::from_secs(15);
/// The time to send one short message. A server that needs longer accepts none.
const SEND: Duration = Duration::from_secs(10);
/// The time for the answer to a heartbeat. Without one, a NAT may have forgotten the connection, so
/// it is given up.
const ANSWER: Duration = Duration::from_secs(10);
const READ: usize = 512;
/// The name of this program in the server's list of devices.
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

/// The side that joins, with the facts that the server needs from the first moment.
#[derive(Clone, Debug)]
pub(crate) enum JoinAs {
    /// A device's side.
    Agent {
        /// True if the agent accepts end-to-end connections only.
        end_to_end_only: bool,
        /// The agent's description of its machine.
        report: Report,
    },
    /// A viewer's side.
    Connector,
}

/// A control connection that has joined.
pub(crate) struct ControlConnection {
    connection: ServerConnection,
    inbox: Inbox,
    heartbeat: Duration,
    /// The time of the last message sent. The server counts the messages that it receives; a
    /// message from the server is no sign of life of ours.
    spoke: Instant,
    asked: Option<Instant>,
}

impl ControlConnection {
    /// Joins the server.
    pub(crate) async fn join(server: &Server, own: &Credentials, join_as: JoinAs) -> Result<Self, Refusal> {
        let (mut control, exporter) = Self::open(server).await?;
        let proved = timeout(PROVE, control.prove(own, join_as, exporter)).await;
        proved.unwrap_or_else(|_| {
            Err(unreachable("the server stopped responding while this program joined"))
        })?;
        Ok(control)
    }

    /// Requests an address with a token and the device's own verifier.
    pub(crate) async fn enroll(
        server: &Server,
        token: &EnrollmentToken,
        own: Enrollment,
    ) -> Result<String, Refusal> {
        let (mut control, exporter) = Self::open(server).await?;
        let asked = timeout(PROVE, async {
            let (version, binding) = control.hello().await?;
            let (own, message) = own.bind(binding, exporter.as_ref());
            let shown = Enrollment { proof: token.prove(&message), ..own };
            control.send(&Message::Enroll { version, enrollment: shown }).await?;
            let Message::Enrolled { proof, address } = control.message().await? else {
                return Err(out_of_turn());
            };
            if !token.digest().answers(&message, &address, &proof) {
                let detail = "the server does not know this enrollment token: this is not the right server";
                return Err(Refusal::from(RefusalCode::CloudAuthenticationFailed).because(detail));
            }
            Ok(address)
        });
        asked
            .await
            .unwrap_or_else(|_| Err(unreachable("the server stopped responding while this device enrolled")))
    }

    async fn open(server: &Server) -> Result<(Self, Option<scram::Exporter>), Refusal> {
        let opened = ServerConnection::open(server, CONTROL_PATH, None).await;
        let (connection, exporter) = opened.map_err(|refusal| server.advise(refusal))?;
        let now = Instant::now();
        let control =
            Self { connection, inbox: Inbox::default(), heartbeat: Duration::MAX, spoke: now, asked: None };
        Ok((control, exporter))
    }

    /// Reads the server's greeting. Returns the version that both sides will speak, and the channel
    /// binding.
    async fn hello(&mut self) -> Result<(u8, Binding), Refusal> {
        let Message::Hello { versions, binding } = self.message().await? else { return Err(out_of_turn()) };
        let version = versions.common(Versions::OURS).ok_or_else(|| {
            let older = if versions.newest < Versions::OURS.oldest { "the server" } else { "this program" };
            let detail = format!(
                "the server supports {versions}, but {PROGRAM} supports {}: update {older}",
                Versions::OURS
            );
            Refusal::from(RefusalCode::ProtocolError).because(detail)
        })?;
        Ok((version, binding))
    }

    async fn prove(
        &mut self,
        own: &Credentials,
        join_as: JoinAs,
        exporter: Option<scram::Exporter>,
    ) -> Result<(), Refusal> {
        let (version, binding) = self.hello().await?;
        let mut random = [0; scram::NONCE];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| unreachable("the system has no randomness"))?;
        let nonce = scram::nonce(random);
        let prover = Prover::new(own.address.as_str(), nonce, binding, exporter.as_ref());
        let (role, end_to_end_only, report) = match join_as {
            JoinAs::Agent { end_to_end_only, report } => (Role::Agent, end_to_end_only, Some(report)),
            JoinAs::Connector => (Role::Connector, false, None),
        };
        let (client_first, program) = (prover.first(), PROGRAM.to_owned());
        self.send(&Message::Prove { version, role, end_to_end_only, client_first, program, report }).await?;
        let Message::Challenge(server_first) = self.message().await? else { return Err(out_of_turn()) };
        let garbled =
            |error: scram::ScramError| Refusal::from(RefusalCode::ProtocolError).because(error.to_string());
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
            let detail = "the server does not know this address's password: this is not the right server";
            return Err(Refusal::from(RefusalCode::CloudAuthenticationFailed).because(detail));
        }
        self.heartbeat = heartbeat.max(Duration::from_secs(1));
        Ok(())
    }

    /// The time at which [`Self::beat`] is due.
    pub(crate) fn next_beat(&self) -> Instant {
        self.asked.map_or(self.spoke + self.heartbeat, |asked| asked + ANSWER)
    }

    /// Sends a heartbeat. Fails if the server has not answered the one before.
    pub(crate) async fn beat(&mut self) -> Result<(), Refusal> {
        if self.asked.is_some() {
            return Err(unreachable("the server no longer answers"));
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
            match next
                .map_err(|error| Refusal::from(RefusalCode::ProtocolError).because(error.to_string()))?
            {
                Some(Message::Refused(refusal)) => return Err(refusal),
                Some(message) => return Ok(message),
                None => {}
            }
            let mut buffer = [0; READ];
            let count = self.connection.read(&mut buffer).await.map_err(unreachable)?;
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
            self.connection.write_all(&bytes).await?;
            self.connection.flush().await
        });
        sent.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(unreachable)
    }

    /// Closes the connection in good order.
    pub(crate) async fn leave(mut self) {
        // If that fails, the connection is gone anyway.
        let _ = timeout(SEND, self.connection.shutdown()).await;
    }
}

fn out_of_turn() -> Refusal {
    Refusal::from(RefusalCode::ProtocolError).because("a message arrived out of order")
}
