//! The server's certificate: from files that are read again when they change, or a self-signed one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use transom_net::{Stream, provider};

use transom_config::TlsFiles;

/// The pause between looks at the files. Certificates are renewed weeks ahead, but a look costs
/// next to no CPU.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The reason why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file has the wrong content, or certificate and key do not belong together.
    #[error("{path}: {message}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The fault.
        message: String,
    },
    /// Another user could own a file in the data folder, or the file cannot be read or written.
    #[error(transparent)]
    Folder(#[from] transom_folder::FolderError),
    /// A self-signed certificate could not be made.
    #[error("cannot create a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library rejects the certificate.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// The certificate that is served now.
#[derive(Clone, Debug)]
pub struct Certificate {
    current: Arc<Current>,
    acceptor: TlsAcceptorShared,
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

#[derive(Clone)]
struct TlsAcceptorShared(TlsAcceptor);

impl std::fmt::Debug for TlsAcceptorShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

impl Certificate {
    /// Reads the certificate chain and its key.
    pub fn from_files(files: &TlsFiles) -> Result<Self, TlsError> {
        Self::new(load(files)?)
    }

    fn new(key: CertifiedKey) -> Result<Self, TlsError> {
        let current = Arc::new(Current(ArcSwap::from_pointee(key)));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&current) as _;
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { current, acceptor: TlsAcceptorShared(TlsAcceptor::from(Arc::new(config))) })
    }

    /// Returns the acceptor that presents the current certificate.
    #[must_use]
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor.0
    }

    /// Reads the files again whenever they change. Open sessions continue. A bad file leaves the
    /// old certificate in use.
    pub async fn follow(self, files: TlsFiles, stop: CancellationToken) {
        let mut seen = stamp(&files);
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            let now = stamp(&files);
            if now == seen {
                continue;
            }
            seen = now;
            match load(&files) {
                Ok(key) => {
                    self.current.0.store(Arc::new(key));
                    tracing::info!(certificate = %files.cert.display(), "the new certificate is in use");
                }
                // Certificate and key are written one after the other, so this may be a moment in
                // between: the second write changes the files again.
                Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the old one stays"),
            }
        }
    }
}

fn stamp(files: &TlsFiles) -> [Option<(SystemTime, u64)>; 2] {
    [&files.cert, &files.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let content = |path: &Path, message: String| TlsError::Content { path: path.to_owned(), message };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(&files.cert)?).collect();
    let chain =
        chain.map_err(|error| content(&files.cert, format!("not a PEM certificate chain: {error}")))?;
    if chain.is_empty() {
        return Err(content(&files.cert, "holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|error| content(&files.key, format!("not a PEM private key: {error}")))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            content(&files.key, format!("is not the key of the certificate in {}", files.cert.display()))
        }
        error => content(&files.key, error.to_string()),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Read { path: path.to_owned(), source })
}

/// Returns the value that identifies this connection at both ends and that an interceptor cannot
/// share (RFC 9266 §4.2).
pub(crate) fn exporter(accepted: &TlsStream<Stream>) -> Option<[u8; 32]> {
    let tls = accepted.get_ref().1;
    // Older versions need an extension for this that peers may lack (RFC 7627).
    let modern = tls.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    modern.then(|| tls.export_keying_material([0; 32], transom_tunnel::EXPORTER_LABEL, None).ok()).flatten()
}
