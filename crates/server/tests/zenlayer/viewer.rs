//! Opens a console URL that a client was given, as a WebSocket, and examines the answer.

use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use url::Url;

/// The screen of a console: its size and its name, from the ServerInit message (RFC 6143 §7.3.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) size: (u16, u16),
    pub(crate) name: String,
}

/// Opens the console behind a URL. The error is the HTTP status of a refusal.
pub(crate) async fn open(url: &str, ca: Option<&Path>) -> Result<Screen, u16> {
    let url: Url = url.parse().unwrap();
    assert_eq!(url.path(), "/console");
    assert_eq!(url.fragment(), None);
    let parameters: Vec<_> = url.query_pairs().collect();
    assert_eq!(parameters.len(), 1, "{url}");
    assert_eq!(parameters[0].0, "token");
    let token = &parameters[0].1;
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let websocket = format!("ws://{host}:{port}/websockify?token={token}");
    let tcp = TcpStream::connect((host, port)).await.unwrap();
    match ca {
        None => shake_hands(tokio_tungstenite::client_async(websocket, tcp).await).await,
        Some(ca) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
            let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
            let name = ServerName::try_from(host.to_owned()).unwrap();
            let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
            shake_hands(tokio_tungstenite::client_async(websocket, tls).await).await
        }
    }
}

type Opened<S> =
    Result<(WebSocketStream<S>, tokio_tungstenite::tungstenite::handshake::client::Response), Error>;

async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(opened: Opened<S>) -> Result<Screen, u16> {
    let mut socket = match opened {
        Ok((socket, _)) => socket,
        Err(Error::Http(response)) => return Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    };
    let mut read = Vec::new();
    assert_eq!(bytes(&mut socket, &mut read, 12).await, b"RFB 003.008\n");
    send(&mut socket, b"RFB 003.008\n").await;
    assert_eq!(bytes(&mut socket, &mut read, 2).await, [1, 1], "security type None alone");
    send(&mut socket, &[1]).await;
    assert_eq!(bytes(&mut socket, &mut read, 4).await, [0; 4]);
    send(&mut socket, &[1]).await;
    let init = bytes(&mut socket, &mut read, 24).await;
    let length = u32::from_be_bytes(init[20..24].try_into().unwrap());
    let name = bytes(&mut socket, &mut read, length as usize).await;
    let side = |at: usize| u16::from_be_bytes([init[at], init[at + 1]]);
    Ok(Screen { size: (side(0), side(2)), name: String::from_utf8(name).unwrap() })
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, bytes: &[u8]) {
    socket.send(Message::binary(bytes.to_vec())).await.unwrap();
}

async fn bytes<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    read: &mut Vec<u8>,
    wanted: usize,
) -> Vec<u8> {
    while read.len() < wanted {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(data) => read.extend_from_slice(&data),
            other => panic!("{other:?}"),
        }
    }
    read.drain(..wanted).collect()
}
