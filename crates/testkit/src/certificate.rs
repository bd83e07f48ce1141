//! An authority for tests, and the certificates that it issues.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// An authority and the folder that its files lie in.
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
    /// Its key.
    pub key: PathBuf,
    /// SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` writes it.
    pub fingerprint: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
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

    /// A certificate that signed itself and is an authority, as openssl makes one unless told otherwise.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
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

    /// Issues a certificate; its files bear this name, and replace older ones of the same name.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written.
    #[must_use]
    pub fn issue(&self, name: &str) -> Certificate {
        let mut leaf =
            CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
        leaf.distinguished_name.push(DnType::CommonName, name);
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
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
