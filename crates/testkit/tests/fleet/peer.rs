//! A device or a viewer's side, message by message: nothing of it retries, waits or encrypts.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transom_model::cloud::ScramProof;
use transom_server::app::random;
use transom_testkit::wait::within;
use transom_tunnel::frame::Inbox;
use transom_tunnel::scram::{self, Prover};
use transom_tunnel::{
    Binding, CONTROL_PATH, DATA_PATH, Enrolment, Fault, Message, Refusal, Report, Role, TICKET_HEADER,
    Ticket, UPGRADE, Versions,
};

use crate::field::Address;

/// What most of them say of their program.
const PROGRAM: &str = "a test";

/// A control connection that is in.
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

    /// An agent that says this of its machine, from there, as a proxy in front says.
    pub(crate) async fn join_as(
        source: &str,
        server: SocketAddr,
        own: &Address,
        report: Report,
    ) -> Result<Self, Refusal> {
        let header = format!("X-Forwarded-For: {source}\r\n");
        Self::prove(server, &header, own, (Role::Agent, false), PROGRAM, Some(report)).await
    }

    /// An agent that says this of its program.
    pub(crate) async fn join_with(server: SocketAddr, own: &Address, program: &str) -> Result<Self, Refusal> {
        Self::prove(server, "", own, (Role::Agent, false), program, None).await
    }

    /// An agent that takes nobody who could see what passes.
    pub(crate) async fn join_end_to_end(server: SocketAddr, own: &Address) -> Result<Self, Refusal> {
        Self::prove(server, "", own, (Role::Agent, true), PROGRAM, None).await
    }

    /// As a proxy in front says it of somebody from there.
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
            let stream = stream.ok_or(Fault::CloudConnectivityError)?;
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

    /// A control connection that says nothing; none where the server does not take it.
    pub(crate) async fn silent(server: SocketAddr, source: &str) -> Option<TcpStream> {
        upgraded(server, CONTROL_PATH, &format!("X-Forwarded-For: {source}\r\n")).await
    }

    /// The next message; a refusal is the end. A connection that was closed without a word is one as well.
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
                    Ok(0) | Err(_) => return Err(Fault::CloudConnectivityError.into()),
                    Ok(count) => self.inbox.push(&buffer[..count]),
                }
            }
        })
        .await
    }

    pub(crate) async fn say(&mut self, message: &Message) {
        // A server that has gone shows at the next message.
        let _ = self.stream.write_all(&message.encode()).await;
    }

    /// Why it was sent away.
    pub(crate) async fn sent_away(&mut self) -> Refusal {
        loop {
            if let Err(refusal) = self.next().await {
                return refusal;
            }
        }
    }

    /// As a device that has no address yet: the address that it gets for a token. What it says of itself may be what
    /// another one has proved, word for word.
    pub(crate) async fn enrol(server: SocketAddr, shown: Enrolment) -> Result<String, Refusal> {
        let stream = upgraded(server, CONTROL_PATH, "").await.expect("the server takes it");
        let mut peer = Self { server, role: Role::Agent, stream, inbox: Inbox::default(), calls: 0 };
        let Message::Hello { .. } = peer.next().await? else { panic!("no hello") };
        peer.say(&Message::Enrol { version: Versions::OURS.newest, enrolment: shown }).await;
        let Message::Enrolled { address, .. } = peer.next().await? else { panic!("neither yes nor no") };
        Ok(address)
    }

    /// As a viewer's side: asks whether somebody is there.
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

    /// As a viewer's side: why the session that it has a ticket for does not come about.
    pub(crate) async fn failed(&mut self) -> Refusal {
        loop {
            if let Message::Failed { refusal, .. } = self.next().await.expect("it stays") {
                return refusal;
            }
        }
    }

    /// As a device: the data connection of the next session.
    pub(crate) async fn called(&mut self) -> TcpStream {
        loop {
            if let Message::Dial { ticket, .. } = self.next().await.expect("it is called") {
                return self.data(&ticket).await.expect("its ticket is valid");
            }
        }
    }

    /// As a viewer's side: asks for a session; the ticket, or why there is none.
    pub(crate) async fn ask_for(&mut self, peer: &str) -> Result<Ticket, Refusal> {
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

    /// The data connection of a ticket, where that is still worth something.
    pub(crate) async fn data(&self, ticket: &Ticket) -> Option<TcpStream> {
        let shown = ticket.shown_by(self.role);
        upgraded(self.server, DATA_PATH, &format!("{TICKET_HEADER}: {shown}\r\n")).await
    }
}

/// One of the tunnel's paths; none where the server does not switch.
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
