//! A VNC server that says and hears what a test dictates, byte by byte: for what no well-behaved one does.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::duplex::Duplex;

/// What it does next. After the last act it closes the connection.
#[derive(Clone, Debug)]
pub enum Act {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Takes so many bytes.
    Hear(usize),
    /// Goes on inside TLS, as this configuration has it.
    Secure(Arc<rustls::ServerConfig>),
    /// Says no more, for as long as the other side stays.
    Hang,
    /// Resets the connection. Only in front of TLS.
    Reset,
}

/// A running one.
#[derive(Debug)]
pub struct Scenario {
    endpoint: String,
    _tasks: JoinSet<()>,
}

impl Scenario {
    /// Starts it; every connection sees the same acts.
    ///
    /// # Panics
    /// Where no loopback port is free.
    pub async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let endpoint = format!("vnc://{}", listener.local_addr().expect("it is bound"));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((peer, _)) = listener.accept().await {
                let acts = acts.clone();
                connections.spawn(async move {
                    // What the other side does not take is its own affair.
                    let _ = play(peer, acts).await;
                });
            }
        });
        Self { endpoint, _tasks: tasks }
    }

    /// What an instance is registered with.
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
