//! How a viewer comes in: with what in its hand, from where, and what it is told where it may not.

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

/// A viewer on its way in.
#[derive(Clone, Debug)]
pub struct Opening {
    route: Route,
    path: String,
    headers: Vec<(HeaderName, String)>,
}

/// What a viewer was told that may not come in: an HTTP answer.
pub struct Refused(pub Answer);

impl fmt::Display for Refused {
    /// `401 token-unknown: This console link is not valid.`, or what any answer reads like where it has no reason in a header.
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
    /// A viewer that goes this way, with nothing in its hand.
    #[must_use]
    pub fn new(route: Route) -> Self {
        Self { route, path: "/websockify".to_owned(), headers: Vec::new() }
    }

    /// Goes here instead: to a fault proxy.
    #[must_use]
    pub fn via(mut self, address: SocketAddr) -> Self {
        self.route.to = address;
        self
    }

    /// Comes from this loopback address.
    #[must_use]
    pub fn from(mut self, address: Ipv4Addr) -> Self {
        self.route.from = Some(address);
        self
    }

    /// Speaks TLS, and trusts whom this says.
    #[must_use]
    pub fn tls(mut self, trust: Arc<rustls::ClientConfig>) -> Self {
        self.route.tls = Some(trust);
        self
    }

    /// Shows a console URL's token in the query.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.path(&format!("/websockify?token={token}"))
    }

    /// Asks for this path and query.
    #[must_use]
    pub fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Shows a ticket, as our page does.
    #[must_use]
    pub fn ticket(self, ticket: &str) -> Self {
        self.path("/console/session")
            .header(SEC_WEBSOCKET_PROTOCOL, &format!("binary, transom.ticket.{ticket}"))
    }

    /// Shows a ticket and speaks the page's channel, as our page does.
    #[must_use]
    pub fn page(self, ticket: &str) -> Self {
        self.path("/console/session")
            .header(SEC_WEBSOCKET_PROTOCOL, &format!("transom.page.1, binary, transom.ticket.{ticket}"))
    }

    /// Is a page of this origin.
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

    /// Names another place than the one that it goes to.
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
                // It is there already.
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

    /// Opens a WebSocket that must open, and goes through RFB's handshake.
    pub async fn view(self) -> Viewer {
        let mut viewer = self.open().await.expect("the WebSocket opens");
        viewer.greet().await.expect("the console opens");
        viewer
    }

    /// Opens a raw console as the Java viewer does; the status line where it is refused.
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

    /// A bare connection, on which nothing was sent.
    pub async fn bare(self) -> Box<dyn Duplex> {
        self.route.connect().await
    }
}

/// A line, read byte by byte so that nothing behind it is taken.
async fn line(stream: &mut Box<dyn Duplex>) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.expect("the answer is whole"));
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}
