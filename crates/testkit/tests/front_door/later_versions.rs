//! Agents, connectors and servers of different versions: both ends skip the additions of a later
//! version.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use transom_agent::{Agent, Connector, Event, Server, Status};

use crate::devices::{Field, Running};

/// An unknown message, and an unknown field.
const UNKNOWN: &[u8] = &[0x7e, 0, 3, 1, 2, 3];
const FIELD: &[u8] = b"of a later version";

/// A proxy that rewrites control connections in both directions as a later version would send them.
struct Later {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Later {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((peer, _)) = listener.accept().await {
                connections.spawn(async move {
                    // Both directions end with either side.
                    let _ = pass(peer, TcpStream::connect(server).await.unwrap()).await;
                });
            }
        });
        Self { address, _tasks: tasks }
    }

    fn place(&self) -> Server {
        Server::new(&format!("http://{}", self.address), None, false).unwrap()
    }
}

async fn pass(mut peer: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
    let request = head(&mut peer).await?;
    server.write_all(&request).await?;
    if !request.starts_with(b"GET /tunnel/v1/control ") {
        return tokio::io::copy_bidirectional(&mut peer, &mut server).await.map(drop);
    }
    let answer = head(&mut server).await?;
    peer.write_all(&answer).await?;
    let ((from_peer, to_peer), (from_server, to_server)) = (peer.split(), server.split());
    tokio::try_join!(add(from_peer, to_server), add(from_server, to_peer)).map(drop)
}

async fn head(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    Ok(head)
}

/// Forwards frames, each with an additional field and preceded by an unknown message.
async fn add(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    loop {
        let kind = from.read_u8().await?;
        let mut payload = vec![0; from.read_u16().await?.into()];
        from.read_exact(&mut payload).await?;
        payload.extend_from_slice(FIELD);
        let length = u16::try_from(payload.len()).expect("a short message").to_be_bytes();
        to.write_all(&[UNKNOWN, &[kind], &length, &payload].concat()).await?;
    }
}

#[tokio::test]
async fn agents_connectors_and_servers_skip_the_additions_of_later_versions() {
    let field = Field::set().await;
    let (device, desk) = field.pair().await;
    let later = Later::start(field.server.address()).await;
    let mut agent = Running::joined(Agent { server: later.place(), ..field.device(&device) }).await;
    let shown = field.server.api().get(&format!("/api/v1/addresses/{}", device.address)).await.done();
    assert_eq!(shown["agent_version"], concat!("transom ", env!("CARGO_PKG_VERSION")));
    let desk = Connector { server: later.place(), ..field.desk(&desk, &device.address) };
    let (mut connector, port) = Running::ready(desk).await;
    // The second session takes the connection that the agent holds ready, so all messages of a
    // session have passed.
    for _ in 0..2 {
        let (viewer, guest) = field.session(&mut connector, port).await;
        assert!(matches!(agent.tells().await, Status::Opened { .. }));
        drop((viewer, guest));
        assert!(matches!(connector.tells().await, Event::Closed(_)));
        assert!(matches!(agent.tells().await, Status::Closed { .. }));
    }
}
