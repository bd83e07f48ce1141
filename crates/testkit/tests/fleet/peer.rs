//! A device or a viewer's side, message by message: nothing of it retries, waits or encrypts.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transom_model::cloud::ScramProof;
use transom_server::app::random;
use transom_testkit::wait::within;
use transom_tunnel::frame::Inbox;
use transom_tunnel::scram::{self, Prover};
use transom_tunnel::{Binding, CONTROL_PATH, Enrolment, Fault, Message, Refusal, Role, UPGRADE};

use crate::field::Address;

/// A control connection that is in.
pub(crate) struct Peer {
    stream: TcpStream,
    inbox: Inbox,
}

impl Peer {
    pub(crate) async fn join(server: SocketAddr, own: &Address, role: Role) -> Result<Self, Refusal> {
        within("joining", async {
            let stream = upgraded(server, CONTROL_PATH).await.expect("the server takes it");
            let mut peer = Self { stream, inbox: Inbox::default() };
            let Message::Hello { binding: Binding::None, .. } = peer.next().await? else {
                panic!("no hello")
            };
            let prover = Prover::new(&own.name, scram::nonce(random::bytes()), Binding::None, None);
            peer.say(&Message::Prove { role, client_first: prover.first() }).await;
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

    /// As a device that has no address yet: the address that it gets for a token.
    pub(crate) async fn enrol(server: SocketAddr, shown: Enrolment) -> Result<String, Refusal> {
        let stream = upgraded(server, CONTROL_PATH).await.expect("the server takes it");
        let mut peer = Self { stream, inbox: Inbox::default() };
        let Message::Hello { .. } = peer.next().await? else { panic!("no hello") };
        peer.say(&Message::Enrol(shown)).await;
        let Message::Enrolled(address) = peer.next().await? else { panic!("neither yes nor no") };
        Ok(address)
    }
}

/// One of the tunnel's paths; none where the server does not switch.
async fn upgraded(server: SocketAddr, path: &str) -> Option<TcpStream> {
    within("an upgrade", async {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        head.starts_with(b"HTTP/1.1 101 ").then_some(stream)
    })
    .await
}
