//! A viewer's request: its credentials, its origin, and the refusal that it may get.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::{COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::Viewer;
use crate::api::Answer;
use crate::duplex::{Duplex, Route};
use crate::wait::within;

/// A viewer that has not connected yet.
#[derive(Clone, Debug)]
pub struct Opening {
    route: Route,
    path: String,
    headers: Vec<(HeaderName, String)>,
}

/// The HTTP response to a viewer that was refused.
pub struct Refused(pub Answer);

impl fmt::Display for Refused {
    /// Writes `401 token-unknown: This console link is not valid.`, or the response's plain form if
    /// no header carries a reason.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.headers.get("x-refusal") {
            Some(why) => write!(f, "{} {}", self.0.status, String::from_utf8_lossy(why.as_bytes())),
            None => self.0.fmt(f),
        }
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.status, self.0.text)
    }
}

impl Opening {
    /// A viewer on this route, without credentials.
    #[must_use]
    pub fn new(route: Route) -> Self {
        Self { route, path: "/websockify".to_owned(), headers: Vec::new() }
    }

    /// Connects to this address instead, such as a fault proxy's.
    #[must_use]
    pub fn via(mut self, address: SocketAddr) -> Self {
        self.route.to = address;
        self
    }

    /// Connects from this loopback address.
    #[must_use]
    pub fn from(mut self, address: Ipv4Addr) -> Self {
        self.route.from = Some(address);
        self
    }

    /// Connects with TLS and this trust.
    #[must_use]
    pub fn tls(mut self, trust: Arc<rustls::ClientConfig>) -> Self {
        self.route.tls = Some(trust);
        self
    }

    /// Sends a console URL's token in the query.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.path(&format!("/websockify?token={token}"))
    }

    /// Requests this path and query.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Sends a resume ticket, as the page does.
    #[must_use]
    pub fn ticket(self, ticket: &str) -> Self {
        self.path("/console/session")
            .header(SEC_WEBSOCKET_PROTOCOL, &format!("binary, transom.ticket.{ticket}"))
    }

    /// Sends a resume ticket and uses the page's channel, as the page does.
    #[must_use]
    pub fn page(self, ticket: &str) -> Self {
        self.path("/console/session")
            .header(SEC_WEBSOCKET_PROTOCOL, &format!("transom.page.1, binary, transom.ticket.{ticket}"))
    }

    /// Sends the origin of a page.
    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header(ORIGIN, origin)
    }

    /// Sends cookies.
    #[must_use]
    pub fn cookie(self, cookies: &str) -> Self {
        self.header(COOKIE, cookies)
    }

    /// Sends a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends a `Host` that differs from the address.
    #[must_use]
    pub fn host(self, host: &str) -> Self {
        self.header(HOST, host)
    }

    /// Opens a WebSocket.
    pub async fn open(self) -> Result<Viewer, Refused> {
        let mut request =
            format!("ws://{}{}", self.route.to, self.path).into_client_request().expect("a request");
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).expect("a header's value");
            match *name {
                // The request already has a `Host` header.
                HOST => drop(request.headers_mut().insert(HOST, value)),
                _ => drop(request.headers_mut().append(name, value)),
            }
        }
        let stream = self.route.connect().await;
        match within("an answer to the upgrade", client_async(request, stream)).await {
            Ok((stream, _)) => Ok(Viewer::websocket(stream)),
            Err(Error::Http(response)) => {
                let (parts, body) = response.into_parts();
                let text = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                Err(Refused(Answer { status: parts.status.as_u16(), headers: parts.headers, text }))
            }
            Err(error) => panic!("no WebSocket and no refusal: {error}"),
        }
    }

    /// Opens a WebSocket, which must succeed, and completes RFB's handshake.
    pub async fn view(self) -> Viewer {
        let mut viewer = self.open().await.expect("the WebSocket opens");
        viewer.greet().await.expect("the console opens");
        viewer
    }

    /// Opens a raw console as the Java viewer does. Returns the status line of a refusal.
    pub async fn connect(self) -> Result<Viewer, String> {
        let mut stream = self.route.connect().await;
        let mut head = format!("CONNECT {} HTTP/1.0\r\n", self.path);
        for (name, value) in self.headers.iter().filter(|(name, _)| name != HOST) {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes()).await.expect("the head is taken");
        let line = within("an answer to the CONNECT", line(&mut stream)).await;
        if line != "HTTP/1.1 200 OK" {
            return Err(line);
        }
        assert_eq!(within("the end of the answer", self::line(&mut stream)).await, "");
        Ok(Viewer::raw(stream))
    }

    /// Opens a connection without sending anything.
    pub async fn bare(self) -> Box<dyn Duplex> {
        self.route.connect().await
    }
}

/// Reads a line byte by byte, so that the bytes after it stay unread.
async fn line(stream: &mut Box<dyn Duplex>) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.expect("the answer is whole"));
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}
