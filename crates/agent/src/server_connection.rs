//! A connection to the server: TCP, TLS, and an upgrade on the server's one port. The tunnel's own
//! bytes follow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transom_tunnel::scram::Exporter;
use transom_tunnel::{EXPORTER_LABEL, Refusal, UPGRADE};

use crate::error::unreachable;
use crate::server::Server;

/// The time for name resolution, TCP, TLS and one request: some round trips over a bad mobile
/// network.
const OPEN: Duration = Duration::from_secs(20);
/// The longest head of an answer; a usual one has a few lines.
const MAX_HEAD: usize = 8 * 1024;
const MAX_HEADERS: usize = 32;

/// An upgraded connection. Bytes that were read behind the answer's head come first.
pub(crate) struct ServerConnection {
    ahead: Vec<u8>,
    io: Io,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl ServerConnection {
    /// A connection to the raw listener, after the relay has accepted the ticket.
    pub(crate) fn raw(tcp: TcpStream) -> Self {
        Self { ahead: Vec::new(), io: Io::Plain(tcp) }
    }

    /// Opens one of the server's paths, with an extra header if there is one.
    pub(crate) async fn open(
        server: &Server,
        path: &str,
        header: Option<(&str, String)>,
    ) -> Result<(Self, Option<Exporter>), Refusal> {
        timeout(OPEN, Self::opened(server, path, header))
            .await
            .unwrap_or_else(|_| Err(unreachable("the server does not answer in time")))
    }

    async fn opened(
        server: &Server,
        path: &str,
        header: Option<(&str, String)>,
    ) -> Result<(Self, Option<Exporter>), Refusal> {
        let tcp = server.connect().await?;
        let (io, exporter) = match &server.tls {
            None => (Io::Plain(tcp), None),
            Some(config) => {
                let name = ServerName::try_from(server.host.clone()).map_err(unreachable)?;
                let connector = TlsConnector::from(config.clone());
                let tls = connector.connect(name, tcp).await.map_err(unreachable)?;
                let exporter = tls.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
                (Io::Tls(Box::new(tls)), Some(exporter.map_err(unreachable)?))
            }
        };
        let mut connection = Self { ahead: Vec::new(), io };
        connection.upgrade(server, path, header).await?;
        Ok((connection, exporter))
    }

    async fn upgrade(
        &mut self,
        server: &Server,
        path: &str,
        header: Option<(&str, String)>,
    ) -> Result<(), Refusal> {
        let host = if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
        let extra = header.map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}:{}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n{extra}\r\n",
            server.port
        );
        self.write_all(request.as_bytes()).await.map_err(unreachable)?;
        self.flush().await.map_err(unreachable)?;
        let mut head = Vec::new();
        loop {
            if head.len() > MAX_HEAD {
                return Err(unreachable("the server's answer is too long"));
            }
            let mut buffer = [0; 1024];
            let count = self.read(&mut buffer).await.map_err(unreachable)?;
            if count == 0 {
                return Err(unreachable("the server closed the connection"));
            }
            head.extend_from_slice(&buffer[..count]);
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut response = httparse::Response::new(&mut headers);
            let parsed =
                response.parse(&head).map_err(|_| unreachable("the other end is not a Transom server"))?;
            if let httparse::Status::Complete(end) = parsed {
                return match response.code {
                    Some(101) => {
                        self.ahead = head.split_off(end);
                        Ok(())
                    }
                    Some(404) => Err(unreachable(
                        "the other end is not a Transom server, or a proxy in front of it refuses the path",
                    )),
                    code => Err(unreachable(format_args!("the server answered {}", code.unwrap_or(0)))),
                };
            }
        }
    }
}

impl AsyncRead for ServerConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(&self.ahead[..count]);
            self.ahead.drain(..count);
            return Poll::Ready(Ok(()));
        }
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Io::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for ServerConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Io::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    /// All records of a flight leave in one packet.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Io::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(tcp) => tcp.is_write_vectored(),
            Io::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
