//! A VNC server that sends and receives exact bytes, for behaviour that no correct server shows.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::duplex::Duplex;

/// The next action of the server. After the last one it closes the connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Receives this many bytes.
    Hear(usize),
    /// Starts TLS with this configuration.
    Secure(Arc<rustls::ServerConfig>),
    /// Sends nothing more until the peer disconnects.
    Hang,
    /// Resets the connection. Works only before TLS.
    Reset,
}

/// A running server.
#[derive(Debug)]
pub struct Scenario {
    endpoint: String,
    _tasks: JoinSet<()>,
}

impl Scenario {
    /// Starts a server. Every connection sees the same actions.
    ///
    /// # Panics
    /// Panics if no loopback port is free.
    pub async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let endpoint = format!("vnc://{}", listener.local_addr().expect("it is bound"));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((peer, _)) = listener.accept().await {
                let acts = acts.clone();
                connections.spawn(async move {
                    // The peer may disconnect at any point.
                    let _ = play(peer, acts).await;
                });
            }
        });
        Self { endpoint, _tasks: tasks }
    }

    /// The endpoint with which an instance is registered.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

async fn play(tcp: TcpStream, acts: Vec<Act>) -> io::Result<()> {
    let mut acts = acts.into_iter();
    let mut tcp = tcp;
    while let Some(act) = acts.next() {
        match act {
            Act::Reset => return tcp.set_zero_linger(),
            Act::Secure(config) => {
                let mut tls = TlsAcceptor::from(config).accept(tcp).await?;
                for act in acts {
                    perform(&mut tls, act).await?;
                }
                return tls.shutdown().await;
            }
            act => perform(&mut tcp, act).await?,
        }
    }
    Ok(())
}

async fn perform(peer: &mut impl Duplex, act: Act) -> io::Result<()> {
    match act {
        Act::Say(bytes) => {
            peer.write_all(&bytes).await?;
            peer.flush().await
        }
        Act::Hear(count) => peer.read_exact(&mut vec![0; count]).await.map(drop),
        Act::Hang => tokio::io::copy(peer, &mut tokio::io::sink()).await.map(drop),
        Act::Secure(_) | Act::Reset => Err(io::ErrorKind::Unsupported.into()),
    }
}
