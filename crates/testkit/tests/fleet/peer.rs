//! A device or a connector, message by message. It does not retry, wait or encrypt.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transom_app::random;
use transom_model::cloud::ScramProof;
use transom_testkit::wait::within;
use transom_tunnel::frame::Inbox;
use transom_tunnel::scram::{self, Prover};
use transom_tunnel::{
    Binding, CONTROL_PATH, DATA_PATH, Enrollment, MeetingTicket, Message, Refusal, RefusalCode, Report, Role,
    TICKET_HEADER, UPGRADE, Versions,
};

use crate::field::Address;

/// The program that most peers report.
const PROGRAM: &str = "a test";

/// An authenticated control connection.
pub(crate) struct Peer {
    server: SocketAddr,
    role: Role,
    stream: TcpStream,
    inbox: Inbox,
    calls: u32,
}

impl Peer {
    pub(crate) async fn join(server: SocketAddr, own: &Address, role: Role) -> Result<Self, Refusal> {
        Self::prove(server, "", own, (role, false), PROGRAM, None).await
    }

    /// An agent that sends this report, from a source that a trusted proxy names.
    pub(crate) async fn join_as(
        source: &str,
        server: SocketAddr,
        own: &Address,
        report: Report,
    ) -> Result<Self, Refusal> {
        let header = format!("X-Forwarded-For: {source}\r\n");
        Self::prove(server, &header, own, (Role::Agent, false), PROGRAM, Some(report)).await
    }

    /// An agent that reports this program.
    pub(crate) async fn join_with(server: SocketAddr, own: &Address, program: &str) -> Result<Self, Refusal> {
        Self::prove(server, "", own, (Role::Agent, false), program, None).await
    }

    /// An agent that accepts only end-to-end encrypted sessions.
    pub(crate) async fn join_end_to_end(server: SocketAddr, own: &Address) -> Result<Self, Refusal> {
        Self::prove(server, "", own, (Role::Agent, true), PROGRAM, None).await
    }

    /// Joins through a trusted proxy that names this source.
    pub(crate) async fn join_from(
        source: &str,
        server: SocketAddr,
        own: &Address,
        role: Role,
    ) -> Result<Self, Refusal> {
        Self::prove(server, &format!("X-Forwarded-For: {source}\r\n"), own, (role, false), PROGRAM, None)
            .await
    }

    async fn prove(
        server: SocketAddr,
        header: &str,
        own: &Address,
        (role, end_to_end_only): (Role, bool),
        program: &str,
        report: Option<Report>,
    ) -> Result<Self, Refusal> {
        within("joining", async {
            let stream = upgraded(server, CONTROL_PATH, header).await;
            let stream = stream.ok_or(RefusalCode::CloudConnectivityError)?;
            let mut peer = Self { server, role, stream, inbox: Inbox::default(), calls: 0 };
            let Message::Hello { binding: Binding::None, .. } = peer.next().await? else {
                panic!("no hello")
            };
            let prover = Prover::new(&own.name, scram::nonce(random::bytes()), Binding::None, None);
            let client_first = prover.first();
            let (version, program) = (Versions::OURS.newest, program.to_owned());
            peer.say(&Message::Prove { version, role, end_to_end_only, client_first, program, report }).await;
            let Message::Challenge(server_first) = peer.next().await? else { panic!("no challenge") };
            let challenge = prover.challenged(&server_first).unwrap();
            let proof = ScramProof::make(
                own.password.as_bytes(),
                &challenge.salt,
                challenge.iterations,
                challenge.auth_message.as_bytes(),
            );
            peer.say(&Message::Proof(challenge.answer(&proof.0))).await;
            let Message::Joined { .. } = peer.next().await? else { panic!("neither in nor out") };
            Ok(peer)
        })
        .await
    }

    /// A control connection that sends nothing. `None` if the server refuses it.
    pub(crate) async fn silent(server: SocketAddr, source: &str) -> Option<TcpStream> {
        upgraded(server, CONTROL_PATH, &format!("X-Forwarded-For: {source}\r\n")).await
    }

    /// The next message, or the refusal that ends the connection. A connection that closes without
    /// a message counts as a refusal.
    pub(crate) async fn next(&mut self) -> Result<Message, Refusal> {
        within("a message", async {
            loop {
                match Message::next(&mut self.inbox).unwrap() {
                    Some(Message::Refused(refusal)) => return Err(refusal),
                    Some(message) => return Ok(message),
                    None => {}
                }
                let mut buffer = [0; 512];
                match self.stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return Err(RefusalCode::CloudConnectivityError.into()),
                    Ok(count) => self.inbox.push(&buffer[..count]),
                }
            }
        })
        .await
    }

    pub(crate) async fn say(&mut self, message: &Message) {
        // A closed connection shows at the next message.
        let _ = self.stream.write_all(&message.encode()).await;
    }

    /// The reason for which the server sent the peer away.
    pub(crate) async fn sent_away(&mut self) -> Refusal {
        loop {
            if let Err(refusal) = self.next().await {
                return refusal;
            }
        }
    }

    /// Enrols a device without an address. Returns the address for a token. The request may repeat
    /// another device's proof word for word.
    pub(crate) async fn enroll(server: SocketAddr, shown: Enrollment) -> Result<String, Refusal> {
        let stream = upgraded(server, CONTROL_PATH, "").await.expect("the server takes it");
        let mut peer = Self { server, role: Role::Agent, stream, inbox: Inbox::default(), calls: 0 };
        let Message::Hello { .. } = peer.next().await? else { panic!("no hello") };
        peer.say(&Message::Enroll { version: Versions::OURS.newest, enrollment: shown }).await;
        let Message::Enrolled { address, .. } = peer.next().await? else { panic!("neither yes nor no") };
        Ok(address)
    }

    /// Asks, as a connector, whether a peer is online.
    pub(crate) async fn asks(&mut self, peer: &str, wait: bool) {
        self.calls += 1;
        self.say(&Message::Ask { call: self.calls, wait, peer: peer.to_owned() }).await;
    }

    /// The answer to the last question.
    pub(crate) async fn is_told(&mut self) -> Result<(), Refusal> {
        loop {
            match self.next().await? {
                Message::Available { call } if call == self.calls => return Ok(()),
                Message::Failed { call, refusal } if call == self.calls => return Err(refusal),
                _ => {}
            }
        }
    }

    /// The reason, for a connector, why its session was not established.
    pub(crate) async fn failed(&mut self) -> Refusal {
        loop {
            if let Message::Failed { refusal, .. } = self.next().await.expect("it stays") {
                return refusal;
            }
        }
    }

    /// The device's data connection of the next session.
    pub(crate) async fn called(&mut self) -> TcpStream {
        loop {
            if let Message::Dial { ticket, .. } = self.next().await.expect("it is called") {
                return self.data(&ticket).await.expect("its ticket is valid");
            }
        }
    }

    /// Asks, as a connector, for a session. Returns the ticket or the refusal.
    pub(crate) async fn ask_for(&mut self, peer: &str) -> Result<MeetingTicket, Refusal> {
        self.calls += 1;
        let call = self.calls;
        self.say(&Message::Connect { call, limit: 0, peer: peer.to_owned() }).await;
        loop {
            match self.next().await? {
                Message::Meet { call: met, ticket, .. } if met == call => return Ok(ticket),
                Message::Failed { call: failed, refusal } if failed == call => return Err(refusal),
                _ => {}
            }
        }
    }

    /// Opens the data connection of a ticket. Returns `None` if the ticket is invalid.
    pub(crate) async fn data(&self, ticket: &MeetingTicket) -> Option<TcpStream> {
        let shown = ticket.header(self.role);
        upgraded(self.server, DATA_PATH, &format!("{TICKET_HEADER}: {shown}\r\n")).await
    }
}

/// Upgrades a connection on one of the tunnel's paths. Returns `None` if the server refuses.
async fn upgraded(server: SocketAddr, path: &str, header: &str) -> Option<TcpStream> {
    within("an upgrade", async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n{header}\r\n"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        head.starts_with(b"HTTP/1.1 101 ").then_some(stream)
    })
    .await
}
