//! Any byte stream, and where one leads.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::wait::within;

/// A byte stream, whatever carries it.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Where a viewer goes, and how.
#[derive(Clone, Debug)]
pub struct Route {
    /// The listener, or a fault proxy in front of it.
    pub to: SocketAddr,
    /// The loopback address it comes from; none: the system's choice.
    pub from: Option<Ipv4Addr>,
    /// Whom it trusts, where it speaks TLS.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Route {
    /// A plain connection to this address.
    #[must_use]
    pub fn plain(to: SocketAddr) -> Self {
        Self { to, from: None, tls: None }
    }

    /// A TCP connection without TLS, whatever the route says of it.
    pub async fn connect_tcp(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(from) = self.from {
            socket.bind((from, 0).into()).expect("all of 127.0.0.0/8 is this machine's");
        }
        within("a connection to the server", socket.connect(self.to)).await.expect("the server listens")
    }

    /// A connection.
    pub async fn connect(&self) -> Box<dyn Duplex> {
        let tcp = self.connect_tcp().await;
        let Some(tls) = &self.tls else { return Box::new(tcp) };
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::clone(tls));
        Box::new(within("a TLS handshake", connector.connect(name, tcp)).await.expect("TLS"))
    }
}
