//! A certificate authority and certificate of our own, for the first day and for laboratories.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::tls::TlsError;
use crate::config::TlsFiles;

/// Apple's clients trust no server certificate that is valid for more than 825 days.
const VALIDITY: Duration = Duration::from_secs(820 * 24 * 3600);

/// Where a self-signed certificate lies in the data folder.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// What clients must trust.
    pub ca: PathBuf,
    /// What is served.
    pub files: TlsFiles,
}

/// Makes an authority once, and with it a certificate for these names; both stay in the data folder.
pub fn prepare(data: &Path, names: &[String]) -> Result<SelfSigned, TlsError> {
    let at = |name: &str| data.join(name);
    let made = SelfSigned {
        ca: at("ca.pem"),
        files: TlsFiles { cert: at("self-signed.pem"), key: at("self-signed.key") },
    };
    let authority_key = key_pair(&at("ca.key"))?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Transom self-signed CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if !made.ca.exists() {
        let certificate = authority.self_signed(&authority_key)?;
        write(&made.ca, certificate.pem().as_bytes(), 0o644)?;
    }
    let issuer = Issuer::new(authority, authority_key);
    let mut leaf = CertificateParams::new(names.to_vec())?;
    leaf.distinguished_name.push(DnType::CommonName, names.first().map_or("transom", String::as_str));
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    // Each start makes a new one. Clocks differ by hours in laboratories.
    leaf.not_before = (SystemTime::now() - Duration::from_secs(24 * 3600)).into();
    leaf.not_after = (SystemTime::now() + VALIDITY).into();
    let key = KeyPair::generate()?;
    let certificate = leaf.signed_by(&key, &issuer)?;
    write(&made.files.cert, certificate.pem().as_bytes(), 0o644)?;
    write(&made.files.key, key.serialize_pem().as_bytes(), 0o600)?;
    Ok(made)
}

fn key_pair(path: &Path) -> Result<KeyPair, TlsError> {
    match fs::read_to_string(path) {
        Ok(pem) => Ok(KeyPair::from_pem(&pem)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write(path, key.serialize_pem().as_bytes(), 0o600)?;
            Ok(key)
        }
        Err(source) => Err(TlsError::Read { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(path).map_err(failed)?;
    file.write_all(content).map_err(failed)
}
