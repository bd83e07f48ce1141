//! A machine in the middle: it terminates a peer's TLS and forwards everything to the server over a
//! connection of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::duplex::{Duplex, Route};

/// The size of one read.
const PIECE: usize = 16 * 1024;

/// A running machine in the middle, with a certificate that its victims trust.
pub struct Interceptor {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Interceptor {
    /// Starts in front of a server. Replaces `instead.0` with `instead.1` in the server's messages.
    pub async fn start(
        server: Route,
        certificate: &Certificate,
        instead: Option<(&'static [u8], &'static [u8])>,
    ) -> Self {
        let chain = CertificateDer::pem_file_iter(&certificate.cert).expect("a certificate");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("its key");
        let config = rustls::ServerConfig::builder_with_provider(transom_net::provider());
        let config = config.with_safe_default_protocol_versions().expect("versions of TLS");
        let config = config.with_no_client_auth().with_single_cert(chain, key).expect("a usable certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((victim, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                connections.spawn(async move {
                    // A victim that detects the interception disconnects.
                    if let Ok(victim) = acceptor.accept(victim).await {
                        pass_on(victim, server.connect().await, instead).await;
                    }
                });
            }
        });
        Self { address, _tasks: tasks }
    }

    /// The URL that victims connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

async fn pass_on(victim: impl Duplex, server: impl Duplex, instead: Option<(&[u8], &[u8])>) {
    let (mut from_victim, mut to_victim) = tokio::io::split(victim);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let there = async {
        // Both directions end with either side.
        let _ = tokio::io::copy(&mut from_victim, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let back = async {
        let mut piece = vec![0; PIECE];
        while let Ok(count @ 1..) = from_server.read(&mut piece).await {
            let told =
                instead.map_or_else(|| piece[..count].to_vec(), |words| replaced(&piece[..count], words));
            if to_victim.write_all(&told).await.is_err() || to_victim.flush().await.is_err() {
                break;
            }
        }
        let _ = to_victim.shutdown().await;
    };
    tokio::join!(there, back);
}

fn replaced(said: &[u8], (words, other): (&[u8], &[u8])) -> Vec<u8> {
    match said.windows(words.len()).position(|window| window == words) {
        Some(at) => [&said[..at], other, &said[at + words.len()..]].concat(),
        None => said.to_vec(),
    }
}
