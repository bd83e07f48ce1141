//! The first bytes of a connection: its kind, and the heads of a raw CONNECT and of a request for a
//! WebSocket.

use std::io;

use http::{HeaderName, HeaderValue, header};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transom_model::audit::UserAgent;
use transom_net::Stream;

use transom_http::host;
use transom_websocket::upgrade::is_upgrade;

/// The size of the first read: most heads are shorter.
const FIRST_READ: usize = 1024;
/// The longest request head. A browser may send up to 32 KiB of headers, since a company's cookies
/// go to every host of its domain; the request line comes on top.
pub const MAX_HEAD: usize = 36 * 1024;
/// A TLS record that holds a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
const CONNECT: &[u8] = b"CONNECT ";
/// The beginning of HTTP/2's preface (RFC 9113 §3.4); HTTP/1 has no such method.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";

/// The kind of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A TLS handshake.
    Tls,
    /// A raw CONNECT.
    Connect,
    /// HTTP/1, or bytes that HTTP/1 will refuse.
    Http1,
    /// HTTP/2 without negotiation.
    Http2,
}

/// Returns the kind of a connection by its first bytes. `None` while more than one is still
/// possible.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Option<Opening> {
    if bytes.first() == Some(&TLS_HANDSHAKE) {
        return Some(Opening::Tls);
    }
    for (beginning, opening) in [(CONNECT, Opening::Connect), (HTTP_2, Opening::Http2)] {
        if bytes.starts_with(beginning) {
            return Some(opening);
        }
        if beginning.starts_with(bytes) {
            return None;
        }
    }
    Some(Opening::Http1)
}

/// Reads until the kind is clear, and then returns the bytes to the stream.
pub(super) async fn opening(stream: &mut Stream) -> io::Result<Opening> {
    let mut bytes = Vec::with_capacity(FIRST_READ);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(opening) = recognise(&bytes) {
            stream.unread(&bytes);
            return Ok(opening);
        }
    }
}

/// The complete head of a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectHead {
    /// Path and query, as the client wrote them.
    pub target: String,
    /// The client's program, if it names itself.
    pub user_agent: Option<UserAgent>,
    /// The length of the head in bytes.
    pub len: usize,
}

/// The error for a malformed head of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request head is malformed")]
pub struct BadHead;

/// Parses the head of a CONNECT. `None` while it is incomplete.
///
/// Viewers send one line and an empty one, without `Host` and as HTTP/1.0. Lines may end in LF
/// alone.
pub fn parse_connect(bytes: &[u8]) -> Result<Option<ConnectHead>, BadHead> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes).map_err(|_| BadHead)? {
        httparse::Status::Partial if bytes.len() >= MAX_HEAD => Err(BadHead),
        httparse::Status::Partial => Ok(None),
        httparse::Status::Complete(len) => {
            let target = request.path.filter(|_| request.method == Some("CONNECT")).ok_or(BadHead)?;
            let named = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
            let hosts = named.map(|header| header.value);
            host::check_values(request.version == Some(1), hosts, None).map_err(|_| BadHead)?;
            let agent = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("user-agent"));
            let user_agent = agent.and_then(|header| UserAgent::read(header.value));
            Ok(Some(ConnectHead { target: target.to_owned(), user_agent, len }))
        }
    }
}

/// The head of a request for a WebSocket. It may contain a token.
pub struct UpgradeHead {
    /// Path, query and headers.
    pub request: http::Request<()>,
    /// The length of the head in bytes.
    pub len: usize,
}

/// Parses the head of a request for a WebSocket. `None` if it is incomplete, or asks for something
/// else.
#[must_use]
pub fn parse_upgrade(bytes: &[u8]) -> Option<UpgradeHead> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(len)) = parsed.parse(bytes) else { return None };
    if parsed.method != Some("GET") || parsed.version != Some(1) {
        return None;
    }
    let mut request = http::Request::new(());
    *request.uri_mut() = parsed.path.filter(|path| path.starts_with('/'))?.parse().ok()?;
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    host::check(http::Version::HTTP_11, request.uri(), request.headers()).ok()?;
    // A request with a body, or one that waits for permission to send a body, is left to hyper.
    let plain = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT]
        .iter()
        .all(|name| !request.headers().contains_key(name));
    (plain && is_upgrade(request.headers())).then_some(UpgradeHead { request, len })
}

/// Reads the head of a CONNECT, and returns the bytes after it to the stream.
pub(super) async fn connect_head(stream: &mut Stream) -> io::Result<Result<ConnectHead, BadHead>> {
    let mut bytes = Vec::with_capacity(FIRST_READ);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match parse_connect(&bytes) {
            Ok(None) if bytes.len() < MAX_HEAD => {}
            Ok(None) => return Ok(Err(BadHead)),
            Ok(Some(head)) => {
                stream.unread(&bytes[head.len..]);
                return Ok(Ok(head));
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Tells a peer on another machine that it has to use TLS.
pub(super) async fn refuse_plain(stream: &mut Stream) -> io::Result<()> {
    const SENTENCE: &str = "This server accepts plain HTTP only from this machine. Use https://, or declare the proxy \
                            in front of it in [http] trusted_proxies.";
    // A WebSocket client that is refused would take a body for frames.
    let (header, body) = match parse_upgrade(stream.ahead()) {
        Some(_) => (format!("X-Refusal: {SENTENCE}"), String::new()),
        None => ("Content-Type: text/plain; charset=utf-8".to_owned(), format!("{SENTENCE}\n")),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_bytes_tell_what_comes() {
        for (bytes, opening) in [
            (&b"\x16\x03\x01"[..], Some(Opening::Tls)),
            (b"CONNECT /console", Some(Opening::Connect)),
            (b"CONN", None),
            (b"COPY ", Some(Opening::Http1)),
            (b"PRI * HTTP/2.0\r\n", Some(Opening::Http2)),
            (b"PRI", None),
            (b"PRIVATE", Some(Opening::Http1)),
            (b"GET / HTTP/1.1", Some(Opening::Http1)),
            (b"P", None),
            (b"", None),
        ] {
            assert_eq!(recognise(bytes), opening, "{bytes:?}");
        }
    }

    #[test]
    fn a_viewers_connect_is_read_as_it_is_sent() {
        let head = b"CONNECT /console?token=abc HTTP/1.0\r\n\r\nRFB 003.008\n";
        let (target, len) = ("/console?token=abc".to_owned(), head.len() - 12);
        assert_eq!(parse_connect(head), Ok(Some(ConnectHead { target, user_agent: None, len })));
        let named =
            parse_connect(b"CONNECT /console HTTP/1.0\r\nuser-agent: Java/1.8\r\n\r\n").expect("a head");
        let named = named.and_then(|head| head.user_agent);
        assert_eq!(named, UserAgent::read(b"Java/1.8"));
        assert_eq!(parse_connect(&head[..30]), Ok(None));
        assert!(parse_connect(b"CONNECT /console HTTP/1.0\n\n").is_ok_and(|head| head.is_some()));
        assert_eq!(parse_connect(b"CONNECT /a b c HTTP/1.0\r\n\r\n"), Err(BadHead));
        assert!(parse_connect(b"CONNECT /c HTTP/1.1\r\nHost: a\r\n\r\n").is_ok_and(|head| head.is_some()));
        for hosts in ["", "Host: a\r\nhost: a\r\n", "Host: a/b\r\n"] {
            let head = format!("CONNECT /c HTTP/1.1\r\n{hosts}\r\n");
            assert_eq!(parse_connect(head.as_bytes()), Err(BadHead), "{head}");
        }
        assert_eq!(
            parse_connect(&b"CONNECT /".iter().copied().chain([b'x'; MAX_HEAD]).collect::<Vec<_>>()),
            Err(BadHead)
        );
    }

    const UPGRADE: &str = "GET /websockify?token=abc HTTP/1.1\r\nHost: c.example\r\nUpgrade: WebSocket\r\n\
                           Connection: keep-alive, Upgrade\r\nX-Forwarded-For: 192.0.2.1\r\n\
                           X-Forwarded-For: 192.0.2.2\r\n\r\n";

    #[test]
    fn a_request_for_a_websocket_is_read_whole_or_not_at_all() {
        let with_frame = [UPGRADE.as_bytes(), b"\x82\x80"].concat();
        let head = parse_upgrade(&with_frame).expect("a head");
        assert_eq!((head.len, head.request.uri().query()), (UPGRADE.len(), Some("token=abc")));
        assert_eq!(head.request.headers().get_all("x-forwarded-for").iter().count(), 2);
        for end in 0..UPGRADE.len() {
            assert!(parse_upgrade(&UPGRADE.as_bytes()[..end]).is_none(), "{end}");
        }
    }

    #[test]
    fn what_is_more_than_a_request_for_a_websocket_is_left_to_http() {
        for (from, to) in [
            ("GET", "POST"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("/websockify", "http://c.example/websockify"),
            ("Upgrade: WebSocket", "Upgrade: h2c"),
            ("keep-alive, Upgrade", "keep-alive"),
            ("Host: c.example", "Host: c.example\r\nContent-Length: 5"),
            ("Host: c.example", "Host: c.example\r\nTransfer-Encoding: chunked"),
            ("Host: c.example", "Host: c.example\r\nExpect: 100-continue"),
            ("Host: c.example", "X-Host: c.example"),
            ("Host: c.example", "Host: c.example\r\nHost: c.example"),
            ("Host: c.example", "Ho st: c.example"),
            ("Host: c.example\r\n", "Host: c.example\r\n folded\r\n"),
        ] {
            let other = UPGRADE.replacen(from, to, 1);
            assert_ne!(other, UPGRADE);
            assert!(parse_upgrade(other.as_bytes()).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = recognise(&bytes);
            let _ = parse_connect(&bytes);
            let _ = parse_upgrade(&bytes);
            let _ = parse_upgrade(&[b"GET /websockify HTTP/1.1\r\n", &bytes[..]].concat());
            let _ = parse_connect(&[CONNECT, &bytes].concat());
        }
    }
}
