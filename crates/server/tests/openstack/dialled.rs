//! Raw connections to a test server, plain or with TLS, and the bytes that come back.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::House;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Opens a connection, with TLS if the server has a certificate.
pub(crate) async fn dial(house: &House) -> Box<dyn Duplex> {
    let tcp = TcpStream::connect(house.server.address()).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let Some(ca) = house.server.ca() else { return Box::new(tcp) };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    Box::new(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap())
}

/// Sends these pieces one by one, and reads as many bytes as expected.
pub(crate) async fn exchange(
    house: &House,
    pieces: impl IntoIterator<Item = &[u8]>,
    expected: usize,
) -> String {
    let mut stream = dial(house).await;
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
    let mut answer = vec![0; expected];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Sends this, and reads all bytes until the other side closes.
pub(crate) async fn all(house: &House, request: &[u8]) -> Vec<u8> {
    let (mut reading, mut writing) = tokio::io::split(dial(house).await);
    let send = async {
        writing.write_all(request).await.unwrap();
        writing.flush().await.unwrap();
    };
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(send, reading.read_to_end(&mut answer));
    read.unwrap();
    answer
}
