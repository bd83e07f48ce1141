//! A certificate authority for tests, and the certificates that it issues.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// An authority with a folder for its files.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
    ca: PathBuf,
}

/// A certificate for 127.0.0.1 and localhost, as two PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// The SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it.
    pub fingerprint: String,
}

/// Certificates that people create with openssl one-liners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneLiner {
    /// A self-signed authority, which is openssl's default.
    Authority,
    /// A self-signed certificate that is not an authority.
    Leaf,
    /// A certificate of X.509 version 1, as `openssl x509 -req` creates it.
    Version1,
    /// A certificate with an RSA key of 1024 bits.
    Rsa1024,
}

impl Certificate {
    /// Creates a certificate for 127.0.0.1 and localhost in this folder.
    ///
    /// # Panics
    /// Panics if openssl is missing or fails, with its message.
    #[must_use]
    pub fn by_openssl(folder: &Path, what: OneLiner) -> Self {
        let openssl = |line: &str| {
            let mut command = Command::new("openssl");
            let run = command.args(line.split_whitespace()).current_dir(folder).output().expect("openssl");
            assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
            String::from_utf8_lossy(&run.stdout).trim().to_owned()
        };
        let name = format!("{what:?}");
        let new = format!("-nodes -keyout {name}.key -subj /CN=localhost");
        let signed = format!(
            "req -x509 {new} -out {name}.pem -days 30 -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
        );
        match what {
            OneLiner::Authority => openssl(&format!("{signed} -newkey rsa:2048")),
            OneLiner::Leaf => {
                openssl(&format!("{signed} -newkey rsa:2048 -addext basicConstraints=critical,CA:FALSE"))
            }
            OneLiner::Rsa1024 => openssl(&format!("{signed} -newkey rsa:1024")),
            OneLiner::Version1 => {
                openssl(&format!("req -new {new} -newkey rsa:2048 -out {name}.csr"));
                openssl(&format!("x509 -req -in {name}.csr -signkey {name}.key -days 30 -out {name}.pem"))
            }
        };
        let fingerprint = openssl(&format!("x509 -in {name}.pem -noout -fingerprint -sha256"));
        let fingerprint = fingerprint.rsplit('=').next().unwrap_or_default().to_owned();
        let at = |ending: &str| folder.join(format!("{name}.{ending}"));
        Self { cert: at("pem"), key: at("key"), fingerprint }
    }
}

impl Authority {
    /// Creates an authority.
    ///
    /// # Panics
    /// Panics if the temporary folder cannot be written.
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "Test authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let ca = folder.path().join("ca.pem");
        write(&ca, &authority.self_signed(&key).expect("a certificate").pem());
        Self { folder, issuer: Issuer::new(authority, key), ca }
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// Creates a self-signed authority for these names, as openssl does by default.
    ///
    /// # Panics
    /// Panics if the temporary folder cannot be written.
    #[must_use]
    pub fn self_signed(&self, name: &str, names: &[&str]) -> Certificate {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut own = CertificateParams::new(names).expect("names");
        own.distinguished_name.push(DnType::CommonName, name);
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pair = KeyPair::generate().expect("a key");
        let signed = own.self_signed(&pair).expect("a certificate");
        self.written(name, &signed, &pair)
    }

    /// Issues a certificate in files of this name. Replaces older files.
    ///
    /// # Panics
    /// Panics if the temporary folder cannot be written.
    #[must_use]
    pub fn issue(&self, name: &str) -> Certificate {
        self.issued(name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a client certificate in files of this name.
    ///
    /// # Panics
    /// Panics if the temporary folder cannot be written.
    #[must_use]
    pub fn issue_to_client(&self, name: &str) -> Certificate {
        self.issued(name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issued(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> Certificate {
        let mut leaf =
            CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.extended_key_usages = vec![purpose];
        leaf.use_authority_key_identifier_extension = true;
        let pair = KeyPair::generate().expect("a key");
        let signed = leaf.signed_by(&pair, &self.issuer).expect("a certificate");
        self.written(name, &signed, &pair)
    }

    fn written(&self, name: &str, signed: &rcgen::Certificate, pair: &KeyPair) -> Certificate {
        let at = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        let (cert, key) = (at("pem"), at("key"));
        write(&cert, &signed.pem());
        write(&key, &pair.serialize_pem());
        let hash = digest(&SHA256, signed.der());
        let pairs: Vec<_> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Certificate { cert, key, fingerprint: pairs.join(":") }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).expect("the temporary folder can be written");
}
