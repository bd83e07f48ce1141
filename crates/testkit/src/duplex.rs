//! Byte streams of any kind, and routes to open them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::wait::within;

/// A byte stream over any transport.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A viewer's route to a server.
#[derive(Clone, Debug)]
pub struct Route {
    /// The listener, or a fault proxy in front of it.
    pub to: SocketAddr,
    /// The loopback address from which it connects. `None` leaves the choice to the system.
    pub from: Option<Ipv4Addr>,
    /// The TLS configuration with the viewer's trust. `None` for a connection without TLS.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl Route {
    /// A route without TLS to this address.
    #[must_use]
    pub fn plain(to: SocketAddr) -> Self {
        Self { to, from: None, tls: None }
    }

    /// Opens a TCP connection without TLS, even if the route has TLS.
    pub async fn connect_tcp(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(from) = self.from {
            socket.bind((from, 0).into()).expect("all of 127.0.0.0/8 is this machine's");
        }
        within("a connection to the server", socket.connect(self.to)).await.expect("the server listens")
    }

    /// Opens a connection.
    pub async fn connect(&self) -> Box<dyn Duplex> {
        let tcp = self.connect_tcp().await;
        let Some(tls) = &self.tls else { return Box::new(tcp) };
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::clone(tls));
        Box::new(within("a TLS handshake", connector.connect(name, tcp)).await.expect("TLS"))
    }
}
